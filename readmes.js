// Type-checks the examples of all READMEs in one run of tsc, each where its package's dependencies are, and sees that the
// `npm install` line of each names what its example imports: part of `npm run typecheck`. That they print what they say is
// tested by each package.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const config = '.readmes.json';
// The root's README takes its imports from e2e, which has them all.
const places = [['README.md', 'e2e']].concat(
  readdirSync('packages').map((name) => [join('packages', name, 'README.md'), join('packages', name)]),
);
const files = [];
try {
  for (const [readme, beside] of places.filter(([path]) => existsSync(path))) {
    const markdown = readFileSync(readme, 'utf8');
    const example = [...markdown.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code]) => code).join('\n');
    const installed = [...markdown.matchAll(/^npm install (.*)$/gm)].flatMap(([, names]) => names.split(' '));
    for (const [, name] of example.matchAll(/^(?:import|\} from|.* from) ?'(@[^/']+\/[^/']+)/gm)) {
      if (installed.includes(name)) continue;
      console.error(`${readme}: the example imports ${name}, which no npm install line above it names.`);
      process.exitCode = 1;
    }
    const file = join(beside, '.readme-types', 'README.ts');
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, example);
    // What it imports from beside it: `name.js`, with its text below.
    for (const [, name, code] of markdown.matchAll(/`([\w-]+\.js)`:\n\n```js\n(.*?)^```/gms)) {
      writeFileSync(join(dirname(file), name), code);
    }
    files.push(file);
  }
  writeFileSync(
    config,
    JSON.stringify({ extends: './tsconfig.base.json', compilerOptions: { allowJs: true }, files }),
  );
  execFileSync('tsc', ['-p', config], { stdio: 'inherit' });
} catch (error) {
  if (error.status === undefined) throw error;
  process.exitCode = 1;
} finally {
  for (const file of files) rmSync(dirname(file), { recursive: true, force: true });
  rmSync(config, { force: true });
}
