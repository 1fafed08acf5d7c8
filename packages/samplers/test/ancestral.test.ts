import {
  bernoulliDiffusion,
  type Categorical,
  type ForwardProcess,
  gaussian,
  gaussianDiffusion,
} from '@diffusion-ts/forward-process';
import {
  categoricalReverseProcess,
  epsilonPrediction,
  fixedLarge,
  fixedSmall,
  flowPrediction,
  type GaussianReverseProcess,
  learnedRange,
  learnedVariance,
  reverseProcess,
  type Variance,
  vPrediction,
} from '@diffusion-ts/reverse-process';
import {
  fromBetas,
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
import { finish, type Rng, rng } from '@diffusion-ts/tensor';
import { expectAllClose, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { ancestral } from '../src/ancestral.js';
import {
  type Batch,
  diagonal,
  moments,
  product,
  sum,
  toBatch,
  toTensor,
  transposed,
} from '../src/conformance/batch.js';
import {
  component,
  FACTORS,
  mixingData,
  NOISE,
  SHAPE,
  seen,
  skewed,
} from '../src/conformance/mixing-data.js';
import { end, expectSteps, levelsOf, record } from './running.js';

const schedule = linear({ steps: 30, start: 1e-3, end: 0.4 });
// Few steps, of unequal length, and one between whole times.
const FEW = [29, 22, 12.5, 5, 1];

/** β̃ and β of the step from one level to another: Ho et al. 2020, eq. 7, with β = 1 − ᾱ_t/ᾱ_s where nothing is amiss. */
function extremes(from: NoiseLevel, to: NoiseLevel): { small: number; large: number } {
  const large = from.sigma ** 2 - ((from.alpha / to.alpha) * to.sigma) ** 2;
  return { small: (to.sigma / from.sigma) ** 2 * large, large };
}

/** A draw of N(μ̃(x_t, x_0), σ² I), eq. 7, and at the end its mean. */
function posterior(
  xt: Batch,
  x0: Batch,
  from: NoiseLevel,
  to: NoiseLevel,
  lies: (i: number, k: number) => number,
  source: Rng,
): Batch {
  const { small, large } = extremes(from, to);
  const mean = sum(
    [(to.alpha * large) / from.sigma ** 2, x0],
    [((from.alpha / to.alpha) * to.sigma ** 2) / from.sigma ** 2, xt],
  );
  if (to.sigma === 0) return mean;
  const z = drawn(source.normal([xt.length, ...SHAPE]));
  return mean.map((row, i) =>
    row.map((m, k) => m + Math.sqrt(small ** (1 - lies(i, k)) * large ** lies(i, k)) * z[i]![k]!),
  );
}

/** What a network says of its variance, element by element and example by example: from −1 to 1. */
function lean(i: number, k: number): number {
  return Math.sin(1 + 2 * i + 3 * k);
}

/** Where σ² stands between β̃ and β, 0 … 1, for each kind of variance. */
const KINDS: readonly (readonly [Variance, (i: number, k: number) => number])[] = [
  [fixedSmall, () => 0],
  [fixedLarge, () => 1],
  [learnedRange, (i, k) => (lean(i, k) + 1) / 2],
  [learnedVariance, (i, k) => (lean(i, k) + 1) / 2],
];

/** What a network with a learned variance says: (v + 1)/2 itself, or ln σ² of the step that it was trained on. */
function raw(schedule: NoiseSchedule, variance: Variance, t: number, i: number, k: number): number {
  if (variance.name === 'learnedRange') return lean(i, k);
  const step = extremes(schedule.level(t), schedule.level(Math.max(t - 1, -1)));
  // The step to the data has no β̃; what is said there decides nothing.
  const small = step.small || step.large / 2;
  return Math.log(small) + ((lean(i, k) + 1) / 2) * Math.log(step.large / small);
}

/** The process of the mixing network, which says as much of the variance as it should. `period`: rows after which i recurs. */
function processOf(schedule: NoiseSchedule, variance: Variance, period = 3): GaussianReverseProcess {
  const plain = skewed.process(schedule, vPrediction, variance);
  if (!variance.learned) return plain;
  return reverseProcess({
    ...plain,
    denoiser: (xt, told, condition) =>
      tf.tidy(() => {
        const t = told.dataSync()[0]!;
        const said = Array.from({ length: xt.shape[0]! }, (_, i) =>
          Array.from({ length: 4 }, (_, k) => raw(schedule, variance, t, i % period, k)),
        );
        return tf.concat([plain.denoiser(xt, told, condition) as tf.Tensor, toTensor(said, SHAPE)], -1);
      }),
  });
}

onEachBackend(() => {
  for (const [variance, lies] of KINDS) {
    test(`with ${variance.name} variances each of a few steps draws from N(μ̃(x_t, x̂_0), σ² I), eq. 7 between its two times`, async () => {
      const sampler = ancestral({ times: times(FEW) });
      const source = rng(3);
      const run = await record(sampler, processOf(schedule, variance), NOISE, { rng: rng(3) });
      expect(run.x.length).toBe(5);
      run.x0.forEach((x0, i) => {
        const expected = skewed.x0(run.x[i]!, run.from[i]!, FACTORS);
        expectAllClose(x0.flat(), expected.flat(), { relative: 1e-4, absolute: 1e-5 });
      });
      expectSteps(run, ({ x, x0, from, to }) => posterior(x, x0, from, to, lies, source));
    });

    test(`with ${variance.name} variances a few steps are all the steps of the process respaced by its definition`, async () => {
      // Section 4 of Nichol & Dhariwal 2021: the kept steps have β′ = 1 − ᾱ_t/ᾱ_s, and the network is told the kept times.
      const kept = [1, 5, 12, 22, 29];
      const alphaBars = kept.map((t) => schedule.level(t).alpha ** 2);
      const respaced = fromBetas(alphaBars.map((alphaBar, i) => 1 - alphaBar / (alphaBars[i - 1] ?? 1)));
      // In it a variance of one step is that of another schedule: what lies between the extremes stays where it lies.
      const kind = variance.learned ? learnedRange : variance;
      const { denoiser } = processOf(schedule, kind);
      const ofRespaced = reverseProcess({
        forward: gaussianDiffusion(respaced),
        denoiser: (xt, told, condition) =>
          denoiser(
            xt,
            tf.tidy(() => tf.gather(tf.tensor1d(kept), tf.cast(told, 'int32'))),
            condition,
          ),
        predicts: vPrediction,
        variance: kind,
      });
      const few = await record(ancestral({ times: times(kept) }), processOf(schedule, variance), NOISE, {
        rng: rng(4),
      });
      const all = await record(ancestral(), ofRespaced, NOISE, { rng: rng(4) });
      expectAllClose(few.x.flat(2), all.x.flat(2), { relative: 1e-4, absolute: 1e-5 });
      expectAllClose(few.end.flat(), all.end.flat(), { relative: 1e-4, absolute: 1e-5 });
    });
  }

  test('on schedules that keep no variance it is the posterior between the levels too', async () => {
    for (const [schedule, list] of [
      [varianceExploding(), times([80, 7, 0.4])],
      [rectified({ shift: 2 }), times([1, 0.6, 0.15])],
    ] as const) {
      const reverse = skewed.process(schedule, flowPrediction);
      const start = sum([schedule.level(schedule.end).sigma, NOISE]);
      const source = rng(3);
      const run = await record(ancestral({ times: list }), reverse, start, { rng: rng(3) });
      const draw: Parameters<typeof expectSteps>[1] = ({ x, x0, from, to }) =>
        posterior(x, x0, from, to, () => 0, source);
      expectSteps(run, draw, { absolute: 1e-4 });
    }
  });

  test('a forward process of one’s own says what is drawn from, between any times', async () => {
    const usual = gaussianDiffusion(schedule);
    // It drifts: every posterior lies a quarter above the usual one.
    const forward: ForwardProcess = {
      ...usual,
      posterior(...asked) {
        const { mean, logVariance } = usual.posterior(...asked);
        return gaussian({ mean: tf.tidy(() => tf.add(mean, 0.25)), logVariance });
      },
    };
    const reverse = reverseProcess({ ...skewed.process(schedule, vPrediction), forward });
    const source = rng(3);
    const run = await record(ancestral({ times: times(FEW) }), reverse, NOISE, { rng: rng(3) });
    expectSteps(run, ({ x, x0, from, to }) =>
      posterior(x, x0, from, to, () => 0, source).map((row) => row.map((value) => value + 0.25)),
    );
  });

  test('the network is told the times of the list, the largest first', async () => {
    const told: number[] = [];
    const reverse = skewed.process(schedule, epsilonPrediction);
    const listening: GaussianReverseProcess = {
      ...reverse,
      denoiser(xt, t, condition) {
        told.push(...t.dataSync());
        return reverse.denoiser(xt, t, condition);
      },
    };
    await end(ancestral({ times: trailing(3) }), listening, [[1, 2, 3, 4]], { factors: [1], rng: rng(1) });
    await end(ancestral(), listening, [[1, 2, 3, 4]], { factors: [1], rng: rng(1) });
    expect(told).toEqual([29, 19, 9, ...Array.from({ length: 30 }, (_, i) => 29 - i)]);
  });

  test('one step goes from the noise to the prediction of x_0, without noise', async () => {
    const reached = await end(ancestral({ times: trailing(1) }), processOf(schedule, fixedLarge), NOISE, {
      rng: rng(1),
    });
    expectAllClose(reached.flat(), skewed.x0(NOISE, schedule.level(29), FACTORS).flat(), { absolute: 1e-5 });
  });

  test('a clipped process never shows an x_0 outside its range, and ends inside it', async () => {
    const reverse = reverseProcess({ ...processOf(schedule, fixedSmall), clip: [-0.3, 0.2] });
    const { x0, end } = await record(ancestral(), reverse, NOISE, { rng: rng(8) });
    const all = [...x0, end].flat(2);
    expect([Math.min(...all), Math.max(...all)].map((x) => x.toFixed(5))).toEqual(['-0.30000', '0.20000']);
  });
});

onEachBackend(() => {
  // Two groups of examples, each a Gaussian of its own.
  const groups = [1, 0.6];
  const count = 2000;
  const factors = Array.from({ length: groups.length * count }, (_, i) => groups[i % groups.length]!);

  /**
   * The mean and the covariance of x at each of the levels, exactly: x ← x K + c + σ z, row by row, so that
   * C ← Kᵀ C K + diag σ².
   */
  function composition(
    levels: readonly NoiseLevel[],
    group: number,
    lies: (i: number, k: number) => number,
  ): { mean: number[]; covariance: number[][] }[] {
    const { toX, toY } = skewed;
    let mean = [0, 0, 0, 0];
    let covariance = diagonal([1, 1, 1, 1]);
    const all = [{ mean, covariance }];
    levels.slice(1).forEach((to, step) => {
      const from = levels[step]!;
      const { small, large } = extremes(from, to);
      const ofX0 = (to.alpha * large) / from.sigma ** 2;
      const ofXt = ((from.alpha / to.alpha) * to.sigma ** 2) / from.sigma ** 2;
      const parts = mean.map((_, k) => {
        const data = component(groups[group]!, k);
        const { ofXt, ofMean } = seen(from, data.deviation).x0;
        return { factor: ofXt, constant: ofMean * data.mean };
      });
      const seenBy = product(product(toY, diagonal(parts.map(({ factor }) => factor))), toX);
      const K = sum([ofX0, seenBy], [ofXt, diagonal([1, 1, 1, 1])]);
      const constant = product([parts.map(({ constant }) => constant)], toX)[0]!;
      mean = product([mean], K)[0]!.map((m, k) => m + ofX0 * constant[k]!);
      const noise = mean.map((_, k) =>
        to.sigma === 0 ? 0 : small ** (1 - lies(group, k)) * large ** lies(group, k),
      );
      covariance = sum([1, product(product(transposed(K), covariance), K)], [1, diagonal(noise)]);
      all.push({ mean, covariance });
    });
    return all;
  }

  for (const [variance, lies] of KINDS) {
    test(`with ${variance.name} variances the samples of each of a few steps have the covariance that the steps compose`, async () => {
      const list = times(FEW);
      const start = drawn(rng(10).normal([factors.length, ...SHAPE]));
      const reverse = processOf(schedule, variance, groups.length);
      const { x, end } = await record(ancestral({ times: list }), reverse, start, { factors, rng: rng(11) });
      const composed = groups.map((_, group) => composition(levelsOf(list, schedule), group, lies));
      [...x, end].forEach((samples, step) => {
        groups.forEach((_, group) => {
          const measured = moments(samples.filter((_, i) => i % groups.length === group));
          const { mean, covariance } = composed[group]![step]!;
          mean.forEach((m, k) => {
            const error = 4 * Math.sqrt(covariance[k]![k]! / count);
            expect(Math.abs(measured.mean[k]! - m)).toBeLessThan(error);
            covariance[k]!.forEach((c, j) => {
              // The covariance of two of n normals is known to √((V V′ + C²)/n).
              const error = 4 * Math.sqrt((covariance[k]![k]! * covariance[j]![j]! + c ** 2) / count);
              expect(Math.abs(measured.covariance[k]![j]! - c)).toBeLessThan(error);
            });
          });
        });
      });
    });
  }

  test('a few steps of the exact reverse process end as the data are spread', async () => {
    // Elements that are independent, so that p(x_s | x_t) is; its variance, known to the network, is that of the posterior
    // and that of what x_t leaves open of x_0.
    const data = mixingData(diagonal([1, 1, 1, 1]));
    const zeroSnr = rescaleToZeroTerminalSnr(schedule);
    const list = times([29, 18, 9.5, 0]);
    const visited = levelsOf(list, zeroSnr);
    const toldOf: Variance = { name: 'exact', learned: true, at: () => ({ offset: 0, ofRaw: 1 }) };
    const plain = data.process(zeroSnr, vPrediction);
    const exact = reverseProcess({
      ...plain,
      variance: toldOf,
      denoiser: (xt, told, condition) =>
        tf.tidy(() => {
          const t = told.dataSync()[0]!;
          const step = visited.findIndex((level) => level.t === t);
          const [from, to] = [visited[step]!, visited[step + 1]!];
          const { small, large } = extremes(from, to);
          const logs = factors.map((factor) =>
            Array.from({ length: 4 }, (_, k) => {
              const { deviation } = component(factor, k);
              const open = (deviation * from.sigma) ** 2 / ((from.alpha * deviation) ** 2 + from.sigma ** 2);
              return Math.log(small + ((to.alpha * large) / from.sigma ** 2) ** 2 * open);
            }),
          );
          return tf.concat([plain.denoiser(xt, told, condition) as tf.Tensor, toTensor(logs, SHAPE)], -1);
        }),
    });
    const start = drawn(rng(12).normal([factors.length, ...SHAPE]));
    const { x, end } = await record(ancestral({ times: list }), exact, start, { factors, rng: rng(13) });
    // The last step takes the mode instead of a draw, but goes from hardly any noise.
    [...x, end].forEach((samples, step) => {
      const { alpha, sigma } = visited[step]!;
      groups.forEach((factor, group) => {
        const measured = moments(samples.filter((_, i) => i % groups.length === group));
        measured.mean.forEach((mean, k) => {
          const { mean: m, deviation } = component(factor, k);
          const marginal = (alpha * deviation) ** 2 + sigma ** 2;
          expect(Math.abs(mean - alpha * m)).toBeLessThan(4 * Math.sqrt(marginal / count));
          measured.covariance[k]!.forEach((c, j) => {
            const other = (alpha * component(factor, j).deviation) ** 2 + sigma ** 2;
            const error = 4 * Math.sqrt((j === k ? 2 : 1) * marginal * (other / count));
            expect(Math.abs(c - (j === k ? marginal : 0))).toBeLessThan(error);
          });
        });
      });
    });
  });
}, ['cpu']);

describe('through a process of bits', () => {
  onEachBackend(() => {
    const zeroSnr = rescaleToZeroTerminalSnr(linear({ steps: 30, start: 1e-3, end: 0.4 }));
    const bits = [0.9, 0.3, 0.6, 0.15];
    const groups = [bits, bits.map((p) => 1 - p ** 2)];
    const count = 1000;

    /** The logits of 0 and of 1, as Bayes has them; the condition says of which group an example is. */
    const process = categoricalReverseProcess({
      forward: bernoulliDiffusion(zeroSnr),
      denoiser: (xt, told, condition) =>
        tf.tidy(() => {
          const kept = zeroSnr.level(told.dataSync()[0]!).alpha ** 2;
          const evidence = Math.log((1 + kept) / (1 - kept));
          const logits = groups.map((group) => group.map((p) => Math.log(p / (1 - p))));
          const prior = tf.gather(toTensor(logits, SHAPE), condition!.group as tf.Tensor1D);
          const logit = tf.add(prior, tf.mul(evidence, tf.sub(tf.mul(2, xt), 1)));
          return tf.stack([tf.zerosLike(logit), logit], -1);
        }),
    });

    /** χ² of the sixteen patterns of four bits in the rows of a group, with 15 degrees of freedom. */
    function chiSquare(rows: Batch, probabilities: readonly number[]): number {
      const patterns = Array.from({ length: 16 }, (_, n) => [8, 4, 2, 1].map((bit) => Number((n & bit) > 0)));
      return patterns.reduce((total, pattern) => {
        const expected = rows.length * probabilities.reduce((all, p, k) => all * (pattern[k] ? p : 1 - p), 1);
        const found = rows.filter((row) => row.every((bit, k) => bit === pattern[k])).length;
        return total + (found - expected) ** 2 / expected;
      }, 0);
    }

    for (const [which, list] of [
      ['all steps', trailing(30)],
      ['six steps', times([29, 23, 15.5, 8, 3, 0])],
      // The last of which is long: the likeliest bit in its place would be far from what the data are.
      ['two steps', times([29, 16])],
    ] as const satisfies readonly (readonly [string, Times])[]) {
      test(`${which} of the exact reverse process have the marginals of q, and end as the data are spread`, async () => {
        const group = tf.tensor1d(
          Array.from({ length: 2 * count }, (_, i) => i % 2),
          'int32',
        );
        const xT = tf.tidy(() => process.forward.prior([2 * count, ...SHAPE]).sample(rng(1)));
        const check = (x: tf.Tensor, kept: number): void => {
          groups.forEach((probabilities, g) => {
            const rows = toBatch(x).filter((_, i) => i % 2 === g);
            const marginal = probabilities.map((p) => kept * p + (1 - kept) / 2);
            // Exceeded once in a thousand times.
            expect(chiSquare(rows, marginal)).toBeLessThan(37.7);
          });
        };
        const run = ancestral<Categorical>({ times: list })(process, xT, {
          condition: { group },
          rng: rng(2),
        });
        const x0 = await finish(run, ({ x, from, index }) => index % 6 === 1 && check(x, from.alpha ** 2));
        check(x0, 1);
        tf.dispose([group, xT, x0]);
      });
    }
  });
});

function drawn(x: tf.Tensor): number[][] {
  const batch = toBatch(x);
  x.dispose();
  return batch;
}
