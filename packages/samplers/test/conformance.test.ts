import type { Times } from '@diffusion-ts/schedules';
import { axpby } from '@diffusion-ts/tensor';
import { onEachBackend } from '@diffusion-ts/testing';
import { describe, test } from 'vitest';
import { conformance, type Subject } from '../src/conformance/index.js';
import {
  ancestral,
  ddim,
  deis,
  dpm2,
  dpm2Ancestral,
  dpmSolverPlusPlus,
  dpmSolverPlusPlus2S,
  dpmSolverPlusPlus2SSde,
  dpmSolverPlusPlusSde,
  euler,
  eulerAncestral,
  fromSolver,
  heun,
  lms,
  pndm,
  type Sampler,
  unipc,
} from '../src/index.js';

/** A solver as a stranger writes one, that steps by itself and looks back. */
const own = (times: Times): Sampler =>
  fromSolver(
    ({ x, x0, from, to, history: [last] }) => {
      const ratio = to.sigma / from.sigma;
      const weight =
        last && to.sigma > 0 ? (to.logSnr - from.logSnr) / (from.logSnr - last.level.logSnr) / 2 : 0;
      const ahead = axpby(1 + weight, x0, -weight, last?.x0 ?? x0);
      return axpby(ratio, x, to.alpha - ratio * from.alpha, ahead);
    },
    { times, remembers: 1 },
  );

const subjects: readonly (Subject & { readonly name: string })[] = [
  { name: 'ancestral', make: (times) => ancestral({ times }), draws: true, error: 0.2 },
  { name: 'DDIM', make: (times) => ddim({ times }), error: 0.25 },
  { name: 'DDIM with η = 1', make: (times) => ddim({ times, eta: 1 }), draws: true, error: 0.2 },
  { name: 'Euler ancestral', make: (times) => eulerAncestral({ times }), draws: true, error: 0.2 },
  { name: 'DPM2 ancestral', make: (times) => dpm2Ancestral({ times }), draws: true, error: 0.1 },
  { name: 'SDE-DPM-Solver++ 2M', make: (times) => dpmSolverPlusPlusSde({ times }), draws: true, error: 0.1 },
  {
    name: 'SDE-DPM-Solver++ 3M',
    make: (times) => dpmSolverPlusPlusSde({ times, order: 3 }),
    draws: true,
    error: 0.1,
  },
  {
    name: 'SDE-DPM-Solver++ 2S',
    make: (times) => dpmSolverPlusPlus2SSde({ times }),
    draws: true,
    error: 0.1,
  },
  {
    name: 'Heun with churn',
    make: (times) => heun({ times, churn: { amount: 5 } }),
    draws: true,
    error: 0.1,
  },
  { name: 'Euler', make: (times) => euler({ times }), error: 0.25 },
  { name: 'Heun', make: (times) => heun({ times }), error: 0.03 },
  { name: 'DPM2', make: (times) => dpm2({ times }), error: 0.03 },
  { name: 'DPM-Solver++ 2S', make: (times) => dpmSolverPlusPlus2S({ times }), error: 0.03 },
  { name: 'LMS', make: (times) => lms({ times }), error: 0.03 },
  { name: 'PNDM', make: (times) => pndm({ times }), error: 0.03 },
  { name: 'DEIS', make: (times) => deis({ times }), error: 0.03 },
  { name: 'UniPC', make: (times) => unipc({ times }), error: 0.03 },
  { name: 'UniPC of order 3', make: (times) => unipc({ times, order: 3 }), error: 0.03 },
  { name: 'DPM-Solver++ of order 1', make: (times) => dpmSolverPlusPlus({ times, order: 1 }), error: 0.25 },
  { name: 'DPM-Solver++ of order 2', make: (times) => dpmSolverPlusPlus({ times, order: 2 }), error: 0.04 },
  { name: 'DPM-Solver++ of order 3', make: (times) => dpmSolverPlusPlus({ times, order: 3 }), error: 0.03 },
  {
    name: 'DPM-Solver++ of order 3 by Taylor',
    make: (times) => dpmSolverPlusPlus({ times, order: 3, taylor: true }),
    error: 0.03,
  },
  { name: 'a solver of one’s own', make: own, error: 0.04 },
];

/** One of each kind; the golden rows hold all of them to their numbers on every backend. */
const KINDS = ['DDIM', 'Heun with churn', 'SDE-DPM-Solver++ 2M', 'UniPC of order 3', 'a solver of one’s own'];

function declare(these: typeof subjects, which: (ofNumbers: boolean) => boolean): void {
  for (const { name, ...subject } of these)
    describe(name, () => {
      for (const promise of conformance(subject))
        if (which(promise.ofNumbers)) test(promise.name, promise.run);
    });
}

onEachBackend(() => declare(subjects, () => true), ['wasm']);
onEachBackend(
  () =>
    declare(
      subjects.filter(({ name }) => KINDS.includes(name)),
      (ofNumbers) => ofNumbers,
    ),
  ['cpu', 'tensorflow'],
);
