import { fromBetas } from '@diffusion-ts/schedules';
import { type Denoiser, type Rng, rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import { type Bernoulli, bernoulliProcess, bernoulliReverseProcess } from '@diffusion-ts/testing/bernoulli';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { estimateBound, logProb, priorBits, variationalBound, variationalBoundTerms } from '../src/index.js';

// Pairs of bits, three steps. A bit is still the one of the data with these probabilities; after the last step it is a coin,
// so that the prior is exact. Each is a multiple of 1/8: eight values of the noise stand for all.
const same = [7 / 8, 3 / 4, 1 / 2];
const kept = same.map((chance) => 2 * chance - 1);
const betas = kept.map((keep, t) => 1 - keep / (t === 0 ? 1 : kept[t - 1]!));
const forward = bernoulliProcess(fromBetas(betas));

type Bits = readonly [number, number];
const PAIRS: readonly Bits[] = [
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
];

/** The data: bits that are 1 with these probabilities. */
const data = [0.3, 0.8] as const;

const logistic = (x: number): number => 1 / (1 + Math.exp(-x));
const logit = (p: number): number => Math.log(p / (1 - p));

/** The logit of x_0 = 1 for bit i of x_t, on the host. */
type Network = (xt: Bits, t: number, i: 0 | 1) => number;
/** The exact one: the odds of the data times those of x_t. */
const exact: Network = (xt, t, i) => logit(data[i]) + (2 * xt[i] - 1) * logit(same[t]!);
/** One that looks at the other bit, and is wrong. */
const wrong: Network = (xt, t, i) => 0.4 * i - 0.7 + (1.1 - 0.3 * t) * xt[i] + 0.8 * xt[1 - i]! * (i + 1);

const asDenoiser =
  (network: Network): Denoiser =>
  (xt, told) => {
    const pairs = xt.arraySync() as [number, number][];
    const t = told.dataSync();
    return tf.tensor2d(pairs.map((pair, row) => [network(pair, t[row]!, 0), network(pair, t[row]!, 1)]));
  };

const processOf = (network: Network) => bernoulliReverseProcess({ forward, denoiser: asDenoiser(network) });

const chanceOf = (bit: number, ofOne: number): number => (bit === 1 ? ofOne : 1 - ofOne);
/** q(x_t | x_{t−1}) of one bit: kept, or else tossed. */
const stepChance = (to: number, from: number, t: number): number =>
  (to === from ? 1 - betas[t]! : 0) + betas[t]! / 2;
/** q(x_t | x_0) of one bit. */
const marginalChance = (to: number, x0: number, t: number): number =>
  t < 0 ? Number(to === x0) : to === x0 ? same[t]! : 1 - same[t]!;
/** p_θ(x_{t−1} | x_t) of one bit, from Bayes's rule alone. */
function backChance(network: Network, xs: number, xt: Bits, t: number, i: 0 | 1): number {
  const one = logistic(network(xt, t, i));
  return [0, 1].reduce((sum, x0) => {
    const joint = (x: number) => marginalChance(x, x0, t - 1) * stepChance(xt[i], x, t);
    return sum + (chanceOf(x0, one) * joint(xs)) / (joint(0) + joint(1));
  }, 0);
}

/** Every path x_1, x_2, x_3 of pairs with the chances that q(x_{1:3} | x_0) and p_θ(x_{0:3}) give it. */
function paths(network: Network, x0: Bits): { q: number; p: number }[] {
  return PAIRS.flatMap((x1) =>
    PAIRS.flatMap((x2) =>
      PAIRS.map((x3) => {
        const chain = [x0, x1, x2, x3];
        let [q, p] = [1, 1 / 4];
        for (const t of [0, 1, 2]) {
          for (const i of [0, 1] as const) {
            q *= stepChance(chain[t + 1]![i], chain[t]![i], t);
            p *= backChance(network, chain[t]![i], chain[t + 1]!, t, i);
          }
        }
        return { q, p };
      }),
    ),
  );
}

/** −log₂ p_θ(x_0) per bit, and the bound E_q[log₂ q(x_{1:3} | x_0)/p_θ(x_{0:3})] per bit. */
function byEnumeration(network: Network, x0: Bits): { likelihood: number; bound: number } {
  const all = paths(network, x0);
  const total = (f: (path: { q: number; p: number }) => number): number =>
    all.reduce((sum, path) => sum + f(path), 0);
  return {
    likelihood: -Math.log2(total(({ p }) => p)) / 2,
    bound: total(({ q, p }) => q * Math.log2(q / p)) / 2,
  };
}

/** Noise of 8 × 8 rows, all pairs of eighths: each x_t comes as often as its probability says. */
const everyNoise: Rng = {
  ...rng(0),
  uniform: () =>
    tf.tensor2d(Array.from({ length: 64 }, (_, row) => [((row >> 3) + 0.5) / 8, ((row & 7) + 0.5) / 8])),
  doubles: (count) => new Float64Array(count).fill(0.5),
  fork: () => everyNoise,
  rows: () => everyNoise,
};
const times64 = (x0: Bits): tf.Tensor => tf.tile(tf.tensor2d([[...x0]]), [64, 1]);
const average = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;

onEachBackend(() => {
  it('the bound of the exact reverse process of bits is −log₂ p(x_0), as all its paths add up to', async () => {
    for (const x0 of PAIRS) {
      const truth = -Math.log2(chanceOf(x0[0], data[0]) * chanceOf(x0[1], data[1])) / 2;
      const { likelihood, bound } = byEnumeration(exact, x0);
      expect(likelihood).toBeCloseTo(truth, 12);
      expect(bound).toBeCloseTo(truth, 12);
      const terms = await variationalBoundTerms(processOf(exact), times64(x0), everyNoise, {
        decoder: logProb,
      });
      expectAllClose(average(terms.bitsPerDim), truth, { relative: 1e-5 });
      expectAllClose(terms.prior, new Array(64).fill(0));
    }
  });

  it('the bound of another network is E[log q(x_{1:T} | x_0) − log p(x_{0:T})] over all paths, above −log₂ p(x_0)', async () => {
    for (const x0 of PAIRS) {
      const { likelihood, bound } = byEnumeration(wrong, x0);
      const { bitsPerDim } = await variationalBoundTerms(processOf(wrong), times64(x0), everyNoise);
      expectAllClose(average(bitsPerDim), bound, { relative: 1e-5 });
      expect(bound).toBeGreaterThan(likelihood + 0.01);
    }
  });

  it('the loss at each time is the term of that time, and the terms of mixed times are those of each', async () => {
    const reverse = processOf(wrong);
    const loss = variationalBound<Bernoulli>();
    const noise = everyNoise.uniform([64, 2]);
    for (const x0 of PAIRS) {
      const { transitions, reconstruction } = await variationalBoundTerms(reverse, times64(x0), everyNoise);
      const terms = [reconstruction, ...transitions];
      const mixed = Float64Array.from({ length: 64 }, (_, i) => i % 3);
      const bits = loss({ reverse, x0: times64(x0), t: mixed, noise }).perExample.dataSync();
      expectAllClose(
        bits,
        Array.from(mixed, (t, i) => terms[t]![i]!),
      );
    }
  });

  it('the estimate from all terms is the bound, of a mixed data set the mean over it', async () => {
    const batch = tf.concat(PAIRS.map(times64));
    const tiled: Rng = {
      ...everyNoise,
      uniform: () => tf.tile(everyNoise.uniform([64, 2]), [4, 1]),
      fork: () => tiled,
      rows: () => tiled,
    };
    async function* batches() {
      yield { x0: batch };
    }
    const { bitsPerDim, prior, terms } = await estimateBound(processOf(wrong), batches(), {
      times: 3,
      rng: tiled,
    });
    const expected = average(PAIRS.map((x0) => byEnumeration(wrong, x0).bound));
    expectAllClose(bitsPerDim, expected, { relative: 1e-5 });
    expectAllClose(prior, 0);
    expect(terms.map(({ t }) => t)).toEqual([0, 1, 2]);
  });

  it('where the last step leaves something of the data, the prior costs ln 2 − H(q(x_T | x_0))', () => {
    const left = bernoulliProcess(fromBetas([0.2, 0.5]));
    const chance = (1 + 0.4) / 2;
    const entropy = -(chance * Math.log2(chance) + (1 - chance) * Math.log2(1 - chance));
    expectAllClose(priorBits(left, tf.tensor2d([[0, 1]])), 1 - entropy);
  });

  it('leaves no tensor behind', async () => {
    const reverse = processOf(wrong);
    const [x0, noise] = [times64([0, 1]), everyNoise.uniform([64, 2])];
    const t = Float64Array.from({ length: 64 }, (_, i) => i % 3);
    await expectNoLeak(() => variationalBound<Bernoulli>()({ reverse, x0, t, noise }));
    await expectNoLeak(() => variationalBoundTerms(reverse, x0, everyNoise));
  });
});
