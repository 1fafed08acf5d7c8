// The arrows between the packages, as docs/architecture.md draws them: `node arrows.js`, part of `npm run lint`.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const line = ['schedules', 'tensor', 'ops', 'forward-process', 'reverse-process'];
const CORE = ['@tensorflow/tfjs-core'];
const backend = (...own) => [...own.map((name) => `@tensorflow/${name}`), ...CORE];

/** What the sources of each package may import of ours, and of TensorFlow.js. */
const MAY_IMPORT = {
  schedules: [[], []],
  tensor: [line.slice(0, 1), CORE],
  ops: [line.slice(0, 2), CORE],
  'forward-process': [line.slice(0, 3), CORE],
  'reverse-process': [line.slice(0, 4), CORE],
  losses: [line, CORE],
  samplers: [line, CORE],
  training: [[...line, 'losses', 'samplers'], CORE],
  recipes: [[...line, 'losses', 'samplers', 'training', 'models', 'datasets'], CORE],
  models: [['tensor', 'ops'], CORE],
  checkpoints: [['schedules', 'tensor'], CORE],
  datasets: [['schedules', 'tensor'], CORE],
  parallel: [['schedules', 'tensor'], CORE],
  analytic: [line, CORE],
  'backend-wasm': [line.slice(0, 3), backend('tfjs-backend-wasm')],
  'backend-node': [line.slice(0, 3), backend('tfjs-node', 'tfjs')],
};

// Not in comments, where examples import what they like.
const IMPORT = /^(?! *(?:\*|\/\/)).*(?:from|import|import\() *'(@(?:diffusion-ts|tensorflow)\/[^/']+)/gm;

const faults = readdirSync('packages').flatMap((name) => {
  if (name === 'testing') return [];
  const arrows = MAY_IMPORT[name];
  if (arrows === undefined) return [`packages/${name} has no arrows yet: give it a line in arrows.js.`];
  const [ours, tfjs] = arrows;
  const allowed = [name, ...ours].map((other) => `@diffusion-ts/${other}`).concat(tfjs);
  return readdirSync(join('packages', name, 'src'), { recursive: true })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join('packages', name, 'src', file))
    .flatMap((file) =>
      [...readFileSync(file, 'utf8').matchAll(IMPORT)]
        .filter(([, imported]) => !allowed.includes(imported))
        .map(
          ([, imported]) => `${file} imports ${imported}, which ${name} may not: see docs/architecture.md.`,
        ),
    );
});
for (const fault of faults) console.error(fault);
process.exitCode = faults.length > 0 ? 1 : 0;
