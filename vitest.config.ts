import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { defineConfig } from 'vitest/config';

// Packages resolve each other's sources, so that a test sees an edit without a build.
const conditions = ['@diffusion-ts/source'];

// Their test files replace modules or what is global, so each has a process of its own. The files of the others share one,
// which loads tfjs and our sources once and compiles them warm: that halves the processor time.
const isolated = ['backend-node', 'backend-wasm', 'parallel', 'tensor', 'trainer', 'web'];

const projects = ['packages', 'apps']
  .flatMap((folder) => readdirSync(join(import.meta.dirname, folder), { withFileTypes: true }))
  .map((entry) => join(entry.parentPath, entry.name))
  .concat(join(import.meta.dirname, 'examples'))
  .filter((root) => existsSync(join(root, 'package.json')))
  .map((root) => ({
    extends: true as const,
    root,
    test: {
      name: (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { name: string }).name,
      setupFiles: existsSync(join(root, 'test', 'setup.ts')) ? ['test/setup.ts'] : [],
      isolate: isolated.includes(basename(root)),
    },
  }));

export default defineConfig({
  resolve: { conditions: [...conditions, 'module', 'browser', 'development|production'] },
  ssr: { resolve: { conditions: [...conditions, 'module', 'node', 'development|production'] } },
  test: {
    projects,
    include: ['test/**/*.test.ts'],
    testTimeout: 300_000,
    hookTimeout: 300_000,
    // Two cores: more workers only fight over them.
    maxWorkers: 2,
  },
});
