import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { defineConfig } from 'vitest/config';

// Packages resolve each other's sources, so that a test sees an edit without a build.
const conditions = ['@diffusion-ts/source'];

const every = 'test/**/*.test.ts';
// Test files that replace modules or what is global, or need what no other has used, have a process each. All others of a
// package share one, which loads tfjs and our sources once and runs them warm: that is a third less for the processor.
const alone: Readonly<Record<string, string>> = {
  'backend-node': every,
  'backend-wasm': every,
  parallel: every,
  tensor: 'test/no-backend.test.ts',
  trainer: 'test/{cores,full-disk,split}.test.ts',
  web: every,
};

const projects = ['packages', 'apps']
  .flatMap((folder) => readdirSync(join(import.meta.dirname, folder), { withFileTypes: true }))
  .map((entry) => join(entry.parentPath, entry.name))
  .concat(join(import.meta.dirname, 'examples'))
  .filter((root) => existsSync(join(root, 'package.json')))
  .flatMap((root) => {
    const { name } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { name: string };
    const setupFiles = existsSync(join(root, 'test', 'setup.ts')) ? ['test/setup.ts'] : [];
    const project = (test: object) => ({ extends: true as const, root, test: { setupFiles, ...test } });
    const own = alone[basename(root)];
    if (own === every) return [project({ name, include: [every] })];
    const shared = project({ name, include: [every], exclude: own ? [own] : [], isolate: false });
    return own ? [shared, project({ name: `${name} alone`, include: [own] })] : [shared];
  });

export default defineConfig({
  resolve: { conditions: [...conditions, 'module', 'browser', 'development|production'] },
  ssr: { resolve: { conditions: [...conditions, 'module', 'node', 'development|production'] } },
  test: {
    projects,
    testTimeout: 300_000,
    hookTimeout: 300_000,
    // Two cores: more workers only fight over them.
    maxWorkers: 2,
  },
});
