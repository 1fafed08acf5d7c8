// tfjs-core registers its gradients only in dist/register_all_gradients.js, which Node cannot import (extensionless
// paths) and which no entry point of core imports. This bundles that one file; its registry lives on globalThis, so it
// reaches whichever copy of core the user has. What core publishes is taken from core and not carried a second time.

import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import * as core from '@tensorflow/tfjs-core';
import { build } from 'esbuild';

const require = createRequire(import.meta.url);
// Core's node build adds a default of its own, which its modules have not.
const exported = new Map(
  Object.entries(core).filter(([name]) => /^[\w$]+$/.test(name) && name !== 'default'),
);
const registerAll = join(
  dirname(require.resolve('@tensorflow/tfjs-core/package.json')),
  'dist/register_all_gradients.js',
);

/** Modules of core that it publishes as a namespace. */
const namespaces = {
  util: 'util',
  util_base: 'util',
  broadcast_util: 'broadcast_util',
  axis_util: 'backend_util',
  conv_util: 'backend_util',
  slice_util: 'slice_util',
};

/** The re-export that stands for the module `name` of core, or undefined if core does not publish it. */
function published(name) {
  // By name: a bundler keeps all of core for what says `export *` or `import *` of it.
  if (['base', 'globals', 'kernel_names', 'ops'].includes(name))
    return `export { ${[...exported.keys()].join(', ')} } from '@tensorflow/tfjs-core';`;
  if (name === 'engine')
    return `import { engine } from '@tensorflow/tfjs-core'; export const ENGINE = engine();`;
  if (name === 'environment') return `export { env, ENV } from '@tensorflow/tfjs-core';`;
  if (name === 'tensor') {
    return `import { Tensor, Variable, tensor } from '@tensorflow/tfjs-core';
      export { Tensor, Variable, tensor };
      export const getGlobalTensorClass = () => Tensor;`;
  }
  const namespace = namespaces[name];
  if (namespace !== undefined) {
    // Each by itself, so that those that no gradient uses go.
    const members = Object.keys(exported.get(namespace)).map(
      (member) => `export const ${member} = /* @__PURE__ */ (() => ${namespace}.${member})();`,
    );
    return `import { ${namespace} } from '@tensorflow/tfjs-core'; ${members.join(' ')}`;
  }
  const op = name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());
  return typeof exported.get(op) === 'function'
    ? `export { ${op} } from '@tensorflow/tfjs-core';`
    : undefined;
}

const { outputFiles } = await build({
  stdin: {
    contents: `import '@tensorflow/tfjs-core'; import ${JSON.stringify(registerAll)};`,
    resolveDir: import.meta.dirname,
  },
  bundle: true,
  format: 'esm',
  target: 'es2022',
  legalComments: 'eof',
  external: ['@tensorflow/tfjs-core'],
  write: false,
  logLevel: 'warning',
  plugins: [
    {
      name: 'take-from-core-what-core-publishes',
      setup({ onResolve, onLoad }) {
        onResolve({ filter: /^\.{1,2}\// }, ({ path }) => {
          const name = path.split('/').at(-1);
          return published(name) === undefined ? undefined : { path: name, namespace: 'core' };
        });
        onLoad({ filter: /.*/, namespace: 'core' }, ({ path }) => ({
          contents: published(path),
          resolveDir: import.meta.dirname,
        }));
      },
    },
  ],
});

// esbuild keeps the names that are imported and never used: of all of core's, most.
const code = outputFiles[0].text;
const bare = code.replace(/^import \{.*\} from .*$/gm, '');
const used = new Set(bare.match(/[\w$]+/g));
mkdirSync('dist', { recursive: true });
writeFileSync(
  'dist/gradients.js',
  code.replace(/^import \{ (.*) \} from /gm, (_, names) => {
    const kept = names.split(', ').filter((name) => used.has(name.split(' as ').at(-1)));
    return `import { ${kept.join(', ')} } from `;
  }),
);
