import { defineConfig } from 'vitest/config';

// Packages resolve each other's sources, so that a test sees an edit without a build.
const conditions = ['@diffusion-ts/source'];

const every = 'test/**/*.test.ts';
// Test files that replace modules or what is global, or need what no other has used, have a process each. All others share
// one, which loads tfjs and our sources once and runs them warm: that is a third less for the processor.
const alone = [
  `packages/{backend-node,backend-wasm,parallel}/${every}`,
  'packages/tensor/test/no-backend.test.ts',
  `{apps/web,examples}/${every}`,
];
const trainerAlone = 'apps/trainer/test/{cores,full-disk,split}.test.ts';
const trainer = { setupFiles: ['apps/trainer/test/setup.ts'] };

const project = (name: string, test: object) => ({ extends: true as const, test: { name, ...test } });

export default defineConfig({
  resolve: { conditions: [...conditions, 'module', 'browser', 'development|production'] },
  ssr: { resolve: { conditions: [...conditions, 'module', 'node', 'development|production'] } },
  test: {
    // They run in the order of their names: those of the longest files first, so that none is left alone at the end.
    projects: [
      project('alone', { include: alone }),
      project('alone, of the trainer', { ...trainer, include: [trainerAlone] }),
      project('packages', { include: [`packages/*/${every}`], exclude: alone, isolate: false }),
      project('trainer', {
        ...trainer,
        include: [`apps/trainer/${every}`],
        exclude: [trainerAlone],
        isolate: false,
      }),
    ],
    testTimeout: 300_000,
    hookTimeout: 300_000,
    // Two cores: more workers only fight over them.
    maxWorkers: 2,
  },
});
