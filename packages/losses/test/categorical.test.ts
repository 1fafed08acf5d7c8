import {
  absorbingTransition,
  type Categorical,
  categoricalDiffusion,
  gaussianTransition,
  type Transition,
  uniformTransition,
} from '@diffusion-ts/forward-process';
import { categoricalReverseProcess } from '@diffusion-ts/reverse-process';
import { continuous, fromBetas, type NoiseSchedule, rectified } from '@diffusion-ts/schedules';
import type { Denoiser } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import {
  crossEntropy,
  crossEntropyHybrid,
  maskedCrossEntropy,
  priorBits,
  variationalBound,
} from '../src/index.js';

// Pairs of three classes, three steps, every path of them. All is summed on the host, from the chain's one-step matrices.
const T = 3;
const schedule = fromBetas([0.5, 0.6, 0.9]);
/** The data: each element is of class k with these probabilities. */
const DATA = [
  [0.5, 0.2, 0.3],
  [0.1, 0.6, 0.3],
] as const;
const CLASSES = [0, 1, 2];

/** The logits of element i of x_t. */
type Network = (xt: readonly number[], t: number, i: number) => number[];
/** One that looks at the other element, and is wrong. */
const wrong: Network = (xt, t, i) =>
  CLASSES.map(
    (k) => 0.4 * i - 0.3 * k + (k === xt[i] ? 1.1 - 0.3 * t : 0) + (k === xt[1 - i] ? 0.8 : 0) * (i + 1),
  );

/** The chain of a noise, and what a network makes of it. */
function chainOf(transition: Transition) {
  const { states, prior, between } = transition(schedule);
  const all = Array.from({ length: states }, (_, k) => k);
  const steps = [0, 1, 2].map((t) => between(t - 1, t));
  const step = (t: number, i: number, j: number): number => steps[t]![i * states + j]!;
  /** q(x_t = j | x_0 = i), one step after the other. */
  const marginal = (t: number, i: number, j: number): number =>
    t < 0 ? Number(i === j) : all.reduce((sum, k) => sum + marginal(t - 1, i, k) * step(t, k, j), 0);
  /** The exact logits of x_0. */
  const exact: Network = (xt, t, i) => DATA[i]!.map((p, k) => Math.log(p * marginal(t, k, xt[i]!) + 1e-30));
  /** p_θ(x_{t−1} = k | x_t) of element i, by Bayes's rule over every x_0 that can be. */
  const back = (network: Network, k: number, xt: readonly number[], t: number, i: number): number => {
    const possible = network(xt, t, i).map((l, x0) => (marginal(t, x0, xt[i]!) > 0 ? Math.exp(l) : 0));
    const total = possible.reduce((a, b) => a + b);
    return possible.reduce((sum, p, x0) => {
      if (p === 0) return sum;
      return sum + ((p / total) * marginal(t - 1, x0, k) * step(t, k, xt[i]!)) / marginal(t, x0, xt[i]!);
    }, 0);
  };
  const pairs = all.flatMap((a) => all.map((b) => [a, b]));

  /** −log₂ p_θ(x_0) and the bound E_q[log₂ q(x_{1:3} | x_0)/p_θ(x_{0:3})], per element. */
  function byEnumeration(network: Network, x0: readonly number[]): { likelihood: number; bound: number } {
    let [likelihood, bound] = [0, 0];
    for (const x1 of pairs) {
      for (const x2 of pairs) {
        for (const x3 of pairs) {
          const chain = [x0, x1, x2, x3];
          let [q, p] = [1, prior[x3[0]!]! * prior[x3[1]!]!];
          for (let t = 0; t < T && q > 0; t++) {
            for (const i of [0, 1]) {
              q *= step(t, chain[t]![i]!, chain[t + 1]![i]!);
              if (q > 0) p *= back(network, chain[t]![i]!, chain[t + 1]!, t, i);
            }
          }
          // Also what x_0 cannot have become counts in p.
          if (q === 0) {
            p = prior[x3[0]!]! * prior[x3[1]!]!;
            for (let t = 0; t < T && p > 0; t++)
              for (const i of [0, 1]) p *= back(network, chain[t]![i]!, chain[t + 1]!, t, i);
          } else bound += q * Math.log2(q / p);
          likelihood += p;
        }
      }
    }
    return { likelihood: -Math.log2(likelihood) / 2, bound: bound / 2 };
  }

  /** Every pair that x_0 can become by t, its chance, and the noise that makes it: the middle of each one's stretch. */
  function everyState(x0: readonly number[], t: number) {
    const middles = x0.map((k) => {
      let sum = 0;
      return all.map((j) => {
        const p = marginal(t, k, j);
        sum += p;
        return { p, noise: sum - p / 2 };
      });
    });
    return pairs
      .map(([a, b]) => ({
        chance: middles[0]![a!]!.p * middles[1]![b!]!.p,
        noise: [middles[0]![a!]!.noise, middles[1]![b!]!.noise],
      }))
      .filter(({ chance }) => chance > 0);
  }
  return { states, exact, byEnumeration, everyState };
}

const asDenoiser =
  (network: Network): Denoiser =>
  (xt, told) => {
    const t = told.dataSync();
    const pairs = xt.arraySync() as number[][];
    return tf.tensor3d(pairs.map((pair, row) => [0, 1].map((i) => network(pair, t[row]!, i))));
  };

const NOISES = [
  ['uniform', uniformTransition(3)],
  ['absorbing', absorbingTransition(3)],
  ['discretised Gaussian', gaussianTransition(3)],
] as const;

onEachBackend(() => {
  describe.each(NOISES)('%s noise of pairs of three classes in three steps', (name, transition) => {
    const { exact, byEnumeration, everyState } = chainOf(transition);
    const forward = categoricalDiffusion(schedule, transition);
    // Absorbing noise leaves some unmasked at the end, which p(x_T) cannot be: it costs 100 bits there, and ∞ in truth.
    const endsInPrior = name !== 'absorbing';

    /** E of the bound's term at t, by the loss. */
    const term = (network: Network, x0: readonly number[], t: number): number => {
      const states = everyState(x0, t);
      const reverse = categoricalReverseProcess({ forward, denoiser: asDenoiser(network) });
      const data = tf.tensor2d(states.map(() => [...x0]));
      const noise = tf.tensor2d(states.map(({ noise }) => noise));
      const bits = variationalBound<Categorical>()({ reverse, x0: data, t, noise }).perExample.dataSync();
      return states.reduce((sum, { chance }, row) => sum + chance * bits[row]!, 0);
    };
    const bound = (network: Network, x0: readonly number[]): number => {
      const prior = priorBits(forward, tf.tensor2d([[...x0]])).dataSync()[0]!;
      return [0, 1, 2].reduce((sum, t) => sum + term(network, x0, t), prior);
    };

    it.runIf(endsInPrior)('has the bound E[log q(x_{1:T} | x_0) − log p(x_{0:T})] over all paths', () => {
      for (const x0 of [
        [0, 1],
        [2, 2],
      ]) {
        // prettier-ignore
        for (const network of [exact, wrong]) {
          const paths = byEnumeration(network, x0);
          expectAllClose(bound(network, x0), paths.bound, { relative: 2e-5 });
          expect(paths.bound).toBeGreaterThan(paths.likelihood - 1e-12);
        }
      }
    });

    it('each term of the exact reverse process, averaged over the data, is what its step forgets', () => {
      // Elements are independent: E KL(q(x_s | x_t, x_0) ‖ p(x_s | x_t)) = I(x_s; x_0 | x_t) = I(x_s; x_0) − I(x_t; x_0).
      const { states, between } = transition(schedule);
      const information = (t: number): number =>
        DATA.reduce((sum, data) => {
          const matrix = between(-1, t);
          const own = Array.from({ length: states }, (_, j) =>
            data.reduce((all, p, i) => all + p * matrix[i * states + j]!, 0),
          );
          return (
            sum +
            data.reduce(
              (all, p, i) =>
                all +
                own.reduce((inner, total, j) => {
                  const q = matrix[i * states + j]!;
                  return inner + (q > 0 ? (p * q * Math.log2(q / total)) / 2 : 0);
                }, 0),
              0,
            )
          );
        }, 0);
      for (const t of [1, 2]) {
        let mean = 0;
        for (const a of CLASSES)
          for (const b of CLASSES) mean += DATA[0][a]! * DATA[1][b]! * term(exact, [a, b], t);
        expectAllClose(mean, information(t - 1) - information(t), { relative: 2e-5 });
      }
    });

    it('the hybrid is steps times the bound and λ times the cross-entropy', () => {
      const reverse = categoricalReverseProcess({ forward, denoiser: asDenoiser(wrong) });
      const x0 = tf.tensor2d([
        [0, 1],
        [2, 2],
        [1, 0],
      ]); // prettier-ignore
      const context = { reverse, x0, t: Float64Array.of(2, 1, 0), noise: tf.fill([3, 2], 0.7) };
      const {
        perExample,
        bound,
        crossEntropy: parts,
      } = crossEntropyHybrid<Categorical>({ lambda: 0.01 })(context);
      const alone = crossEntropy<Categorical>()(context).perExample;
      const term = variationalBound<Categorical>()(context).perExample;
      expectAllClose(perExample, tf.add(tf.mul(term, 3), tf.mul(alone, 0.01)));
      expectAllClose(bound!, term);
      expectAllClose(parts!, alone);
    });

    it('leaves no tensor behind', async () => {
      const reverse = categoricalReverseProcess({ forward, denoiser: asDenoiser(wrong) });
      const context = { reverse, x0: tf.zeros([2, 2]), t: Float64Array.of(0, 2), noise: tf.zeros([2, 2]) };
      await expectNoLeak(() => crossEntropyHybrid<Categorical>()(context));
      await expectNoLeak(() => crossEntropy<Categorical>()(context));
    });
  });

  describe('the bound of masks in continuous time', () => {
    /** Its expectation where p_θ(x_0 | x_t) does not depend on t: the middles of many stretches of t, and every mask. */
    function expected(schedule: NoiseSchedule, n = 2000): number {
      const forward = categoricalDiffusion(schedule, absorbingTransition(3));
      const reverse = categoricalReverseProcess({
        forward,
        denoiser: asDenoiser((xt, _, i) =>
          CLASSES.map((k) => (k === 1 ? 0.5 : 0) + (xt[1 - i] === 3 ? 0.3 * k : -k)),
        ),
      });
      let sum = 0;
      const times = Float64Array.from({ length: n }, (_, k) => (k + 0.5) / n);
      const x0 = tf.tile(tf.tensor2d([[0, 1]]), [n, 1]);
      for (const masks of [
        [0, 0],
        [0, 1],
        [1, 0],
        [1, 1],
      ] as const) {
        // prettier-ignore
        // Noise of almost 1 masks, of a hair keeps the class: its stretch begins at 0, with that of no other in it.
        const noise = tf.tile(tf.tensor2d([masks.map((mask) => (mask ? 1 - 2 ** -24 : 0))]), [n, 1]);
        const bits = maskedCrossEntropy<Categorical>()({
          reverse,
          x0,
          t: times,
          noise,
        }).perExample.dataSync();
        times.forEach((t, row) => {
          const keep = schedule.level(t).alpha ** 2;
          sum += (bits[row]! * masks.reduce<number>((p, mask) => p * (mask ? 1 - keep : keep), 1)) / n;
        });
      }
      return sum;
    }
    /** −log₂ softmax, per element: one unmasked before the other, in either order as often. */
    const cost = (logits: number[], k: number): number =>
      -Math.log2(Math.exp(logits[k]!) / logits.reduce((all, l) => all + Math.exp(l), 0)) / 2;
    const alone = [cost([0, 0.8, 0.6], 0), cost([0, 0.8, 0.6], 1)] as const;
    const beside = [cost([0, -0.5, -2], 0), cost([0, -0.5, -2], 1)] as const;
    const truth = (alone[0] + beside[1] + alone[1] + beside[0]) / 2;

    it('is the mean over the orders of unmasking, however ᾱ falls', () => {
      expectAllClose(expected(rectified()), truth, { relative: 2e-3 });
      const even = continuous((u) => Math.log((1 - u) / u));
      expectAllClose(expected(even), truth, { relative: 2e-3 });
    });

    it('refuses discrete time, whose bound is another', () => {
      const forward = categoricalDiffusion(schedule, absorbingTransition(3));
      const reverse = categoricalReverseProcess({ forward, denoiser: asDenoiser(wrong) });
      const context = { reverse, x0: tf.zeros([1, 2]), t: 0, noise: tf.zeros([1, 2]) };
      expect(() => maskedCrossEntropy<Categorical>()(context)).toThrow(
        new RangeError(
          'the schedule has 3 steps, expected one of continuous time: of steps the bound is variationalBound',
        ),
      );
    });
  });
});
