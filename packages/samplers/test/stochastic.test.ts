import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import {
  edmPrediction,
  fixedSmall,
  flowPrediction,
  type GaussianReverseProcess,
  type Prediction,
  reverseProcess,
  vPrediction,
  x0Prediction,
} from '@diffusion-ts/reverse-process';
import {
  continuous,
  cosine,
  karras,
  linear,
  type NoiseLevel,
  type NoiseSchedule,
  rectified,
  rescaleToZeroTerminalSnr,
  type Times,
  times,
  trailing,
  varianceExploding,
} from '@diffusion-ts/schedules';
import { axpby, finish, rng } from '@diffusion-ts/tensor';
import { expectAllClose, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { type Batch, sum } from '../src/conformance/batch.js';
import { FACTORS, NOISE, seen, skewed } from '../src/conformance/mixing-data.js';
import {
  ancestral,
  brownianTree,
  ddim,
  dpm2Ancestral,
  dpmSolverPlusPlus2SSde,
  dpmSolverPlusPlusSde,
  eulerAncestral,
  freshNoise,
  heun,
  type NoiseSource,
  type Sampler,
} from '../src/index.js';
import { constantNoise, levelsOf, record } from './running.js';
import type { SigmaMethod } from './sigma-frame.js';
import * as sigmaFrame from './sigma-frame.js';

/** A sampler that draws, and the same from its paper or from k-diffusion. */
interface Subject {
  readonly make: (times: Times, noise?: NoiseSource) => Sampler;
  readonly method: SigmaMethod;
  /** How many predictions of earlier steps it rests on. */
  readonly remembers?: number;
  /** γ of its churn. */
  readonly gamma?: (steps: number) => number;
  /** What the bias of the variance falls by when the steps are doubled, as a power of two. */
  readonly order: number;
}

/** S_churn of the tests. */
const CHURN = 4;

const PATHS: Readonly<Record<string, Subject>> = {
  'Euler ancestral': {
    make: (times, noise) => eulerAncestral({ times, ...(noise && { noise }) }),
    method: sigmaFrame.eulerAncestral(1),
    order: 1,
  },
  'Euler ancestral with η = 0.6': {
    make: (times, noise) => eulerAncestral({ times, eta: 0.6, ...(noise && { noise }) }),
    method: sigmaFrame.eulerAncestral(0.6),
    order: 1,
  },
  'DPM2 ancestral': {
    make: (times, noise) => dpm2Ancestral({ times, ...(noise && { noise }) }),
    method: sigmaFrame.dpm2Ancestral(1),
    order: 2,
  },
  'DPM2 ancestral with η = 0.6': {
    make: (times, noise) => dpm2Ancestral({ times, eta: 0.6, ...(noise && { noise }) }),
    method: sigmaFrame.dpm2Ancestral(0.6),
    order: 2,
  },
  'SDE-DPM-Solver++ 2S': {
    make: (times, noise) => dpmSolverPlusPlus2SSde({ times, ...(noise && { noise }) }),
    method: sigmaFrame.sde2S,
    order: 2,
  },
  ...Object.fromEntries(
    ([1, 2, 3] as const).map((order): [string, Subject] => [
      `SDE-DPM-Solver++ of order ${order}`,
      {
        make: (times, noise) => dpmSolverPlusPlusSde({ times, order, ...(noise && { noise }) }),
        method: sigmaFrame.sdeMultistep,
        remembers: order - 1,
        order: Math.min(order, 2),
      },
    ]),
  ),
};

const SUBJECTS: Readonly<Record<string, Subject>> = {
  ...PATHS,
  ancestral: { make: (times) => ancestral({ times }), method: sigmaFrame.eulerAncestral(1), order: 1 },
  'DDIM with η = 1': {
    make: (times) => ddim({ times, eta: 1 }),
    method: sigmaFrame.eulerAncestral(1),
    order: 1,
  },
  'DDIM with η = 0.5': {
    make: (times) => ddim({ times, eta: 0.5 }),
    method: sigmaFrame.eulerAncestral(0.5),
    order: 1,
  },
  'Heun with churn': {
    make: (times) => heun({ times, churn: { amount: CHURN } }),
    method: sigmaFrame.heun,
    gamma: (steps) => Math.min(CHURN / steps, Math.SQRT2 - 1),
    order: 2,
  },
};

const FRAMES: Readonly<Record<string, readonly [NoiseSchedule, Prediction]>> = {
  'the σ-frame': [varianceExploding(), edmPrediction()],
  'variance preserving, discrete': [linear({ steps: 1000 }), vPrediction],
  'variance preserving, continuous': [
    continuous((u) => -2 * Math.log(Math.tan((Math.PI * u) / 2))),
    vPrediction,
  ],
  'the straight path': [rectified(), flowPrediction],
};

/** The σ̃ of Karras's grid from 80 down, and where they are on a schedule. */
const grid = (steps: number): number[] => [...karras({ steps })(varianceExploding()).slice(0, -1)];
const at =
  (sigmas: readonly number[]): Times =>
  (on) =>
    times(sigmas.map((sigma) => on.timeOf(-2 * Math.log(sigma))))(on);

/** The predictions that the steps of a run of so many rest on: few at its start, and at the end of a short one. */
function rested(index: number, total: number, remembers = 0): number {
  const left = total - index - 1;
  return Math.min(remembers, index, left === 0 || total < 15 ? left : remembers);
}

/** A run of a method over a grid of σ̃ and on to the data: all that it passes by. */
function passes(
  { method, remembers, gamma }: Subject,
  sigmas: readonly number[],
  start: Batch,
  given: {
    seen(x: Batch, sigma: number): Batch;
    /** The noise of step i, whose middle is m, from a to b. */
    z(i: number, a: number, m: number, b: number): Batch;
    raise?(i: number): Batch;
  },
): { x: Batch[]; end: Batch } {
  const past: { x0: Batch; sigma: number }[] = [];
  const x: Batch[] = [];
  let next = start;
  sigmas.forEach((stands, i) => {
    const [a, b] = [Math.min(stands * (1 + (gamma?.(sigmas.length) ?? 0)), sigmas[0]!), sigmas[i + 1] ?? 0];
    if (a > stands) next = sum([1, next], [Math.sqrt(a ** 2 - stands ** 2), given.raise!(i)]);
    x.push(next);
    const z = (from: number, to: number): Batch => given.z(i, from, to === b ? Math.sqrt(a * b) : b, to);
    const step = {
      x: next,
      a,
      b,
      seen: given.seen,
      z,
      past: past.slice(0, rested(i, sigmas.length, remembers)),
    };
    const x0 = given.seen(next, a);
    next = method(step);
    past.unshift({ x0, sigma: a });
  });
  return { x, end: next };
}

const toX = (x: Batch, alpha: number): Batch => sum([alpha, x]);

onEachBackend(() => {
  for (const [name, subject] of Object.entries(PATHS)) {
    for (const [where, [schedule, predicts]] of Object.entries(FRAMES)) {
      test(`on ${where} every step of ${name} is the one in the σ-frame, in float64`, async () => {
        for (const steps of [6, 16]) {
          const sigmas = grid(steps);
          const levels = levelsOf(at(sigmas), schedule);
          const start = sum([80, NOISE]);
          const exact = varianceExploding();
          const reference = passes(subject, sigmas, start, {
            seen: (x, sigma) => skewed.x0(x, exact.level(sigma), FACTORS),
            z: () => NOISE.map((row) => row.map(() => 1)),
          });
          const run = await record(
            subject.make(at(sigmas), freshNoise),
            skewed.process(schedule, predicts),
            toX(start, levels[0]!.alpha),
            { rng: constantNoise(1) },
          );
          run.x.forEach((x, i) => {
            const expected = toX(reference.x[i]!, levels[i]!.alpha).flat();
            const scale = Math.max(...expected.map(Math.abs));
            expectAllClose(x.flat(), expected, { relative: 1e-3, absolute: 1e-4 * scale });
          });
          expectAllClose(run.end.flat(), reference.end.flat(), { relative: 1e-3, absolute: 1e-3 });
        }
      });
    }
  }
});

const MEAN = 0.4;
const DEVIATION = 0.5;

/** The exact network of data N(0.4, 0.5²) in every element. */
function gaussianProcess(schedule: NoiseSchedule): GaussianReverseProcess {
  return reverseProcess({
    forward: gaussianDiffusion(schedule),
    denoiser: (xt, told) =>
      tf.tidy(() => {
        const { ofXt, ofMean } = seen(
          schedule.level(Math.min(told.dataSync()[0]!, schedule.end)),
          DEVIATION,
        ).x0;
        return tf.add(tf.mul(ofXt, xt), ofMean * MEAN);
      }),
    predicts: x0Prediction,
    variance: fixedSmall,
  });
}

/**
 * The mean and the variance of x̃ where each step begins, and at the end, of x_T ~ N(0, σ_T²): a sample of such data is
 * affine in the noise, so it is followed as the row of its constant and of the factors of x_T and of all noise.
 */
function exactMoments(subject: Subject, sigmas: readonly number[]): { mean: number[]; variance: number[] } {
  const width = 2 + 2 * sigmas.length;
  const unit = (k: number, value = 1): Batch => [
    Array.from({ length: width }, (_, j) => (j === k ? value : 0)),
  ];
  const snr = (sigma: number): number => sigma ** -2;
  const { x, end } = passes(subject, sigmas, unit(1, sigmas[0]), {
    seen: (x, sigma) => {
      const { ofXt, ofMean } = seen(varianceExploding().level(sigma), DEVIATION).x0;
      return sum([ofXt, x], [ofMean * MEAN, unit(0)]);
    },
    z: (i, a, m, b) => {
      // The way to the middle has the first noise of the step; the whole way both, by their parts of the SNR.
      if (b > m) return unit(2 + 2 * i);
      const share = b === 0 ? 1 : (snr(m) - snr(a)) / (snr(b) - snr(a));
      return sum([Math.sqrt(share), unit(2 + 2 * i)], [Math.sqrt(1 - share), unit(3 + 2 * i)]);
    },
    raise: (i) => unit(2 + 2 * i),
  });
  const rows = [...x, end].map(([row]) => row!);
  return {
    mean: rows.map(([constant]) => constant!),
    variance: rows.map(([, ...noise]) => noise.reduce((total, factor) => total + factor ** 2, 0)),
  };
}

describe('of data N(0.4, 0.5²)', () => {
  for (const [name, subject] of Object.entries(SUBJECTS)) {
    test(`the bias of the variance of ${name} falls as the steps to the power ${subject.order}`, () => {
      const bias = (steps: number): number => {
        const sigmas = Array.from({ length: steps + 1 }, (_, i) => 20 * 0.001 ** (i / steps));
        const { variance } = exactMoments(subject, sigmas);
        return variance.at(-2)! / (DEVIATION ** 2 + sigmas.at(-1)! ** 2) - 1;
      };
      const measured = Math.log2(Math.abs(bias(80) / bias(160)));
      expect(Math.abs(measured - subject.order)).toBeLessThan(0.2);
    });
  }
});

/** Noise of a Brownian motion for one that asks for no more than a part of its step, then all of it: cheaper than the tree. */
const twoHalves: NoiseSource = (rng, shape) => {
  const snr = ({ alpha, sigma }: NoiseLevel): number => (alpha / sigma) ** 2;
  let part: { from: NoiseLevel; to: NoiseLevel; z: tf.Tensor } | undefined;
  return {
    between(from, to) {
      const z = rng.normal(shape);
      const first = part?.from === from ? part : undefined;
      const share = first ? (snr(first.to) - snr(from)) / (snr(to) - snr(from)) : 0;
      const whole = first ? axpby(Math.sqrt(share), first.z, Math.sqrt(1 - share), z) : z;
      part?.z.dispose();
      part = { from, to, z: tf.keep(tf.clone(whole)) };
      return whole;
    },
    dispose: () => part?.z.dispose(),
  };
};

onEachBackend(() => {
  for (const [name, subject] of Object.entries(SUBJECTS)) {
    test(`10,000 samples of ${name} have the mean and the variance that follow, after 10 and 40 steps`, async () => {
      const count = 10_000;
      for (const steps of [10, 40]) {
        const sigmas = grid(steps);
        const { mean, variance } = exactMoments(subject, sigmas);
        const xT = tf.tidy(() => tf.mul(80, rng(steps).normal([count / 4, 4])));
        const noise = steps === 10 ? brownianTree : twoHalves;
        const run = subject.make(at(sigmas), noise)(gaussianProcess(varianceExploding()), xT, {
          rng: rng(7),
        });
        const x0 = await finish(run);
        const found = tf.tidy(() => {
          const { mean, variance } = tf.moments(x0);
          return [mean.dataSync()[0]!, variance.dataSync()[0]!] as const;
        });
        const [m, v] = [mean.at(-1)!, variance.at(-1)!];
        expect(Math.abs(found[0] - m), `mean after ${steps}`).toBeLessThan(4 * Math.sqrt(v / count));
        expect(Math.abs(found[1] - v), `variance after ${steps}`).toBeLessThan(4 * v * Math.sqrt(2 / count));
        tf.dispose([x0, xT]);
      }
    });
  }
}, ['cpu']);

onEachBackend(() => {
  for (const [where, [schedule]] of Object.entries(FRAMES)) {
    test(`on ${where} with zero noise all that follow the posterior end at x s²/(s² + σ²), whatever the steps`, async () => {
      for (const name of [
        'Euler ancestral',
        'SDE-DPM-Solver++ 2S',
        ...[1, 2, 3].map((k) => `SDE-DPM-Solver++ of order ${k}`),
      ]) {
        for (const steps of [1, 2, 12, 30]) {
          const sigmas = grid(steps);
          const levels = levelsOf(at(sigmas), schedule);
          const xT = tf.tensor2d([[80 * levels[0]!.alpha]]);
          const zero = reverseProcess({
            ...gaussianProcess(schedule),
            denoiser: (x, told) => {
              const level = schedule.level(Math.min(told.dataSync()[0]!, schedule.end));
              return tf.mul(seen(level, DEVIATION).x0.ofXt, x);
            },
          });
          const x0 = await finish(SUBJECTS[name]!.make(at(sigmas))(zero, xT, { rng: constantNoise(0) }));
          expectAllClose(x0, [(80 * 0.25) / (0.25 + 6400)], { relative: 1e-4 });
          tf.dispose([x0, xT]);
        }
      }
    });
  }

  for (const [name, { make }] of Object.entries(PATHS)) {
    test(`${name} draws the same noise in any number of steps: its paths converge at first order`, async () => {
      const ends: tf.Tensor[] = [];
      for (const steps of [40, 80, 160]) {
        const sigmas = Array.from({ length: steps + 1 }, (_, i) => 20 * 0.001 ** (i / steps));
        const xT = tf.tidy(() => tf.mul(20, rng(1).normal([50, 4])));
        ends.push(await finish(make(at(sigmas))(gaussianProcess(varianceExploding()), xT, { rng: rng(2) })));
        xT.dispose();
      }
      const [coarse, middle, fine] = ends as [tf.Tensor, tf.Tensor, tf.Tensor];
      const apart = (a: tf.Tensor, b: tf.Tensor): number =>
        tf.tidy(() => Math.sqrt(tf.mean(tf.squaredDifference(a, b)).dataSync()[0]!));
      expect(apart(coarse, middle) / apart(middle, fine)).toBeGreaterThan(1.8);
      expect(apart(middle, fine)).toBeLessThan(0.02);
      tf.dispose(ends);
    });
  }

  test('where the network sees the same all the way, the noise of few steps is that of many, to rounding', async () => {
    const schedule = rectified();
    const constant = { ...gaussianProcess(schedule), denoiser: (xt: tf.Tensor) => tf.fill(xt.shape, 0.3) };
    for (const name of [
      'Euler ancestral',
      'DPM2 ancestral',
      'SDE-DPM-Solver++ 2S',
      'SDE-DPM-Solver++ of order 3',
    ]) {
      const ends: Batch[] = [];
      for (const every of [1, 4, 12]) {
        // Points of the tree, so that no level is rounded.
        const points = Array.from({ length: 48 / every + 1 }, (_, i) => (6 + i * every) / 64);
        const sigmas = points.map((v) => ((1 - v) / v) ** 4);
        const alpha = 1 / (1 + sigmas[0]!);
        const run = await record(PATHS[name]!.make(at(sigmas)), constant, sum([sigmas[0]! * alpha, NOISE]), {
          rng: rng(3),
        });
        ends.push(run.x.at(-1)!);
      }
      expectAllClose(ends[1]!.flat(), ends[0]!.flat(), { relative: 2e-5, absolute: 2e-6 });
      expectAllClose(ends[2]!.flat(), ends[0]!.flat(), { relative: 2e-5, absolute: 2e-6 });
    }
  });

  test('from pure noise the first step of each is a finite one, of first order', async () => {
    const zeroSnr = rescaleToZeroTerminalSnr(cosine({ steps: 100 }));
    for (const [name, { make }] of Object.entries(PATHS)) {
      const eta = name.endsWith('0.6') ? 0.6 : 1;
      for (const steps of [1, 2, 16]) {
        const run = await record(
          make(trailing(steps), freshNoise),
          skewed.process(zeroSnr, vPrediction),
          NOISE,
          {
            rng: constantNoise(1),
          },
        );
        const [from, to] = [run.from[0]!, run.to[0]!] as [NoiseLevel, NoiseLevel];
        expect(from.logSnr).toBe(Number.NEGATIVE_INFINITY);
        const [down, up] = [Math.sqrt(1 - eta ** 2) * to.sigma, eta * to.sigma];
        const ones = NOISE.map((row) => row.map(() => 1));
        const expected = sum([to.alpha, run.x0[0]!], [down, NOISE], [up, ones]);
        expectAllClose((run.x[1] ?? run.end).flat(), expected.flat(), { relative: 1e-5, absolute: 1e-5 });
        expect(run.end.flat().every(Number.isFinite)).toBe(true);
      }
    }
  });

  test('each asks the network as often as its paper says', async () => {
    const schedule = linear({ steps: 40, start: 1e-3, end: 0.3 });
    const asked = async (sampler: Sampler): Promise<number> => {
      const reverse = skewed.process(schedule, vPrediction);
      let evaluations = 0;
      const counting: typeof reverse = {
        ...reverse,
        denoiser(...question) {
          evaluations += 1;
          return reverse.denoiser(...question);
        },
      };
      await record(sampler, counting, NOISE, { rng: rng(1) });
      return evaluations;
    };
    for (const [name, { make }] of Object.entries(PATHS))
      expect(await asked(make(trailing(8))), name).toBe(/DPM2|2S/.test(name) ? 15 : 8);
  });
}, ['cpu']);

test('an η or an order out of range is refused', () => {
  for (const eta of [-0.1, 1.1, Number.NaN])
    for (const make of [eulerAncestral, dpm2Ancestral])
      expect(() => make({ eta })).toThrow(new RangeError(`eta must be a number in 0 … 1, not ${eta}`));
  for (const order of [0, 4, 1.5])
    expect(() => dpmSolverPlusPlusSde({ order: order as 1 })).toThrow(
      new RangeError(`order must be 1, 2 or 3, not ${order}`),
    );
});
