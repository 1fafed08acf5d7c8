import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';

/** What became of tfjs's specs, by their names. */
interface Specs {
  passed: string[];
  /** With the messages. */
  failed: Record<string, string>;
}

/** How tfjs's specs on a backend with our kernels compare with those without. */
export interface Comparison {
  count: number;
  /** What passes without our kernels, and failed with them. */
  broken: Record<string, string>;
  /** What the list says fails with and without our kernels, and passed. */
  mended: string[];
}

const require = createRequire(import.meta.url);

/**
 * Runs the specs that tfjs-core ships, jasmine's in `dist`, on the backend that `entry` sets up: a module that names the
 * backend to tfjs when it is loaded, and whose `start` makes it ready, `plain` without our kernels. `list` is a file of
 * the specs that fail without our kernels, a line each: "-" for those that fail with them too, "+" for those that pass.
 * With UPDATE_TFJS_SPECS=1 in the environment it is written anew, from a run without and one with our kernels.
 */
export async function compareSpecs(entry: URL, list: URL): Promise<Comparison> {
  const folder = mkdtempSync(join(tmpdir(), 'tfjs-specs-'));
  try {
    const bundle = await bundleSpecs(entry, folder);
    const { passed, failed } = runSpecs(bundle, []);
    if (process.env.UPDATE_TFJS_SPECS) {
      const lines = Object.keys(runSpecs(bundle, ['plain']).failed).map(
        (name) => `${name in failed ? '-' : '+'} ${name}\n`,
      );
      writeFileSync(list, lines.sort().join(''));
    }
    const known = readFileSync(list, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('- '))
      .map((line) => line.slice(2));
    return {
      count: passed.length + Object.keys(failed).length,
      broken: Object.fromEntries(Object.entries(failed).filter(([name]) => !known.includes(name))),
      mended: known.filter((name) => passed.includes(name)),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** One file of everything: the specs reach into the very modules of tfjs-core that the backend must work with. */
async function bundleSpecs(entry: URL, folder: string): Promise<string> {
  const outfile = join(folder, 'specs.cjs');
  await build({
    stdin: {
      contents: `
        import { runSpecs } from './prelude.js';
        import { start } from ${JSON.stringify(fileURLToPath(entry))};
        import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
        import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.js';
        import '@tensorflow/tfjs-core/dist/tests.js';
        runSpecs(start).catch((error) => {
          console.error(error);
          process.exit(1);
        });`,
      resolveDir: import.meta.dirname,
    },
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    mainFields: ['module', 'main'],
    conditions: ['@diffusion-ts/source'],
    // tfjs says of modules that register its kernels and gradients that they have no side effects.
    ignoreAnnotations: true,
    logLevel: 'error',
    plugins: [asIfNotBundled],
  });
  return outfile;
}

/** Our sources see their own address, and jasmine's files that of theirs. */
const asIfNotBundled: Plugin = {
  name: 'as if not bundled',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^jasmine-core\// }, ({ path }) => ({ path: require.resolve(path), external: true }));
    onLoad({ filter: /\/packages\/[^/]+\/src\/.*\.ts$/ }, ({ path }) => {
      const address = JSON.stringify(pathToFileURL(path).href);
      return { contents: readFileSync(path, 'utf8').replaceAll('import.meta.url', address), loader: 'ts' };
    });
  },
};

/** Runs a bundle of specs in a process of its own. */
function runSpecs(bundle: string, args: string[]): Specs {
  const results = join(dirname(bundle), 'results.json');
  const env = { ...process.env, WASM_PATH: `${dirname(require.resolve('@tensorflow/tfjs-backend-wasm'))}/` };
  const { status, signal, stderr } = spawnSync(process.execPath, [bundle, results, ...args], {
    env,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) throw new Error(`tfjs's specs ended with ${status ?? signal}: ${stderr.slice(-2000)}`);
  return JSON.parse(readFileSync(results, 'utf8')) as Specs;
}
