import type { ActiveBackend } from './backend.js';
import { physicalCores } from './cores.js';
import { Refusal } from './errors.js';
import { launched } from './launched.js';

/** How many workers are asked for: so many, or as many as are good. */
export type Workers = number | 'auto';

// Unasked no more: each holds the model, and what all of them must wait for grows with them.
const MOST = 8;

/**
 * How many workers train on batches of that size, of which each takes an equal share; unasked one alone where the examples are
 * no images, of which each would have too little to do.
 * @throws Refusal if it cannot be divided among as many as are asked for.
 */
export function workersToTrain(
  wanted: Workers,
  backend: ActiveBackend,
  batch: number,
  isImage = true,
): number {
  const started = processes(wanted);
  if (started !== undefined) {
    if (batch % started === 0) return started;
    throw new Refusal(
      `training.batch is ${batch}: expected a multiple of ${started}, since as many processes were started to share it.`,
      { exitCode: 2 },
    );
  }
  const dividing = (most: number): number => {
    let count = Math.min(most, batch);
    while (batch % count !== 0) count--;
    return count;
  };
  if (wanted === 'auto') return isImage ? dividing(coresOf(backend)) : 1;
  const fitting = dividing(wanted);
  if (fitting === wanted) return wanted;
  throw new Refusal(
    `--workers is ${wanted}: expected a number that divides the batch (training.batch) of ${batch}, such as ${fitting}.`,
    { exitCode: 2 },
  );
}

/** How many workers share so many parts of work that are independent of each other. */
export function workersToShare(wanted: Workers, backend: ActiveBackend, parts: number): number {
  const started = processes(wanted);
  if (started !== undefined) return started;
  return Math.max(1, Math.min(wanted === 'auto' ? coresOf(backend) : wanted, parts));
}

/** How many cores a backend leaves to workers: TensorFlow takes all for itself, and the plain one is for what is tiny. */
function coresOf(backend: ActiveBackend): number {
  return backend === 'wasm' ? Math.min(physicalCores(), MOST) : 1;
}

/** How many processes were started together, which then are the workers; undefined of one alone. */
function processes(wanted: Workers): number | undefined {
  const { size } = launched();
  if (size === 1) return undefined;
  if (wanted === 'auto') return size;
  throw new Refusal(
    `--workers does not go with mpirun or srun, which has started ${size} processes: leave it out.`,
    { exitCode: 2 },
  );
}
