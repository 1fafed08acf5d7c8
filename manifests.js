// What all published manifests say alike: `node manifests.js` checks it, part of `npm run lint`; with --write, part of
// `npm run format`, it writes what it can. What is left out of them at publishing is in .pnpmfile.cjs.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const REPOSITORY = 'https://github.com/diffusion-ts/diffusion-ts';
const KEYWORDS = ['diffusion', 'diffusion-models', 'ddpm', 'generative', 'tensorflow.js', 'typescript'];
// These carry what tfjs publishes under Apache-2.0: its gradients, its binary. Their NOTICE says so.
const WITH_TFJS = ['tensor', 'backend-wasm'];

const ours = (dependencies = {}) =>
  Object.fromEntries(
    Object.entries(dependencies).map(([name, range]) => [
      name,
      // An exact range would have mixed releases bundle a package twice.
      name.startsWith('@diffusion-ts/') ? 'workspace:^' : range,
    ]),
  );

function expected(name, manifest) {
  const { name: full, version, description, keywords = [], files, exports, ...rest } = manifest;
  const carries = WITH_TFJS.includes(name);
  const own = keywords.filter((word) => !KEYWORDS.includes(word));
  const packed = files.filter((file) => !['NOTICE', 'CHANGELOG.md', 'LICENSE'].includes(file));
  const alike = {
    name: full,
    version,
    description,
    keywords: [...KEYWORDS, ...own],
    license: carries ? 'MIT AND Apache-2.0' : 'MIT',
    author: 'the diffusion-ts authors',
    homepage: `${REPOSITORY}/tree/main/packages/${name}#readme`,
    repository: { type: 'git', url: `git+${REPOSITORY}.git`, directory: `packages/${name}` },
    bugs: `${REPOSITORY}/issues`,
    engines: { node: '>=20.19' },
    publishConfig: { access: 'public' },
    // pnpm adds the LICENSE of the root.
    files: [...packed, 'CHANGELOG.md', ...(carries ? ['NOTICE'] : [])],
    exports: { ...exports, './package.json': './package.json' },
  };
  return {
    ...alike,
    // What is alike keeps its place at the top; the rest follows in the order it has.
    ...Object.fromEntries(
      Object.entries(rest)
        .filter(([key]) => !(key in alike))
        .map(([key, value]) => [key, /^(dev)?dependencies$/i.test(key) ? ours(value) : value]),
    ),
  };
}

const write = process.argv.includes('--write');
let faults = 0;
for (const name of readdirSync('packages')) {
  const path = join('packages', name, 'package.json');
  const text = readFileSync(path, 'utf8');
  const manifest = JSON.parse(text);
  if (manifest.private) continue;
  const right = expected(name, manifest);
  if (write) {
    const changed = `${JSON.stringify(right, null, 2)}\n`;
    if (JSON.stringify(manifest) !== JSON.stringify(right)) writeFileSync(path, changed);
    continue;
  }
  for (const key of new Set([...Object.keys(right), ...Object.keys(manifest)])) {
    if (JSON.stringify(manifest[key]) === JSON.stringify(right[key])) continue;
    console.error(`${path}: "${key}" is not that of the other packages: npm run format writes it.`);
    faults++;
  }
}
process.exitCode = faults > 0 ? 1 : 0;
