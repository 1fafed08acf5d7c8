// Ranks that train and draw together, on as many worker threads as there are cores, beside one alone, beside processes of
// Open MPI and beside PyTorch on as many threads.

import { availableParallelism } from 'node:os';

const node = process.execPath;
const python = process.env.PYTHON ?? 'python3';
const mpirun = ['mpirun.openmpi', '--allow-run-as-root', '--bind-to', 'none', '-np', '2', node];
const counts = [1, 2, 4, 8, 16, 32].filter((count) => count <= availableParallelism());

const workers = (count) => `wasm, ${count} thread${count === 1 ? '' : 's'}`;
const ONE = workers(1);
const TWO = workers(2);
const PROCESSES = 'wasm, 2 processes';

export const systems = [
  ...counts.map((threads) => ({ name: workers(threads), command: [node], script: 'ranks.js', threads })),
  { name: PROCESSES, command: mpirun, script: 'ranks.js', threads: 2 },
  ...counts.map((threads) => ({
    name: `pytorch, ${threads}`,
    command: [python],
    script: 'pytorch_parallel.py',
    threads,
  })),
];

const bar = (name, system, against, atLeast, than) => ({ case: name, system, against, atLeast, than });
const STEPS = ['unet step 32', 'unet step 64', 'mnist step 64'];

export const bars = [
  ...STEPS.slice(0, 2).map((name) => bar(name, TWO, ONE, 1.8)),
  bar('unet sample 32', TWO, ONE, 1.9),
  ...STEPS.map((name) => bar(name, PROCESSES, TWO, 1)),
  ...counts.map((count) => bar('mnist step 64', workers(count), `pytorch, ${count}`, 1)),
  // At most 3 % of a step is spent on adding up its gradients, at most as much memory as that of as many alone.
  ...[TWO, PROCESSES].map((system) => bar('unet sum', system, system, 1 / 0.03, 'unet step 64')),
  bar('unet step 64 peak memory', TWO, ONE, 1 / 2),
];
