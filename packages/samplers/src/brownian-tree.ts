import type { NoiseLevel } from '@diffusion-ts/schedules';
import type { Rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Noise } from './noise.js';

/** A point of the tree, and W there; without a value at the ends, where W is 0 and where nobody asks. */
interface Node {
  readonly point: number;
  readonly value?: tf.Tensor;
}

const POINTS = 2 ** 20;
const PURE_NOISE: Node = { point: 0 };
const DATA: Node = { point: POINTS };

/**
 * The noise of a run as the increments of one Brownian motion W, so that it is the same whatever levels a run stops at:
 * (W(b) − W(a))/√(b − a) from SNR a to SNR b, α²/σ². In that clock it adds up exactly: a step of the posterior
 * q(x_s | x_t, x_0) is two of them, to a level between and on, and √(b − a) times its noise is the sum of theirs.
 *
 * W is known at the 2²⁰ − 1 points k 2⁻²⁰ of α^¼/(α^¼ + σ^¼), which is 0 at pure noise and 1 at the data; a level takes the
 * nearest, less than 3e-4 away in log-SNR within ±20. Each halves an interval between two others and has a source of its
 * own, forked off by k; given W at their ends it is a Brownian bridge (Lévy's construction). A query walks down the twenty
 * halvings, of which only the last way is kept. Levels with one nearest point get fresh noise.
 */
export function brownianTree(rng: Rng, shape: readonly number[]): Noise {
  const source = rng.fork('Brownian tree');
  const within = rng.fork('within a point of the Brownian tree');
  const way: Required<Node>[] = [];

  const valueAt = (point: number): tf.Tensor | undefined => {
    let [low, high] = [PURE_NOISE, DATA];
    while (point > low.point) {
      const depth = Math.log2(POINTS / (high.point - low.point));
      const middle = (low.point + high.point) / 2;
      if (way[depth]?.point !== middle) {
        forget(depth);
        const z = (): tf.Tensor => source.fork(middle).normal(shape);
        way.push({ point: middle, value: tf.keep(tf.tidy(() => bridge(low, middle, high, z()))) });
      }
      const node = way[depth]!;
      if (point < middle) high = node;
      else low = node;
    }
    return low.value;
  };
  const forget = (depth: number): void => tf.dispose(way.splice(depth).map(({ value }) => value));

  return {
    between(from, to) {
      const [a, b] = [nearestPoint(from), nearestPoint(to)];
      if (a === b) return within.normal(shape);
      return tf.tidy(() => {
        const scale = 1 / Math.sqrt(Math.abs(snrAt(b) - snrAt(a)));
        // Copies, since the way to one may leave that to the other.
        const [here, there] = [a, b].map((point) => {
          const value = valueAt(point);
          return value && tf.clone(value);
        });
        return weighted([-scale, here], [scale, there]);
      });
    },
    dispose: () => forget(0),
  };
}

function nearestPoint({ alpha, sigma }: NoiseLevel): number {
  const [signal, noise] = [alpha ** 0.25, sigma ** 0.25];
  return Math.min(Math.round((POINTS * signal) / (signal + noise)), POINTS - 1);
}

function snrAt(point: number): number {
  return (point / (POINTS - point)) ** 8;
}

/** W half-way between two nodes, of which the upper may be infinitely far away. */
function bridge(low: Node, middle: number, high: Node, z: tf.Tensor): tf.Tensor {
  const [a, m, b] = [snrAt(low.point), snrAt(middle), snrAt(high.point)];
  const share = (m - a) / (b - a);
  return weighted([1 - share, low.value], [share, high.value], [Math.sqrt((m - a) * (1 - share)), z]);
}

/** Σ weight · value of those that there are. */
function weighted(...terms: readonly (readonly [weight: number, value: tf.Tensor | undefined])[]): tf.Tensor {
  return tf.addN(terms.flatMap(([weight, value]) => (value ? [tf.mul(weight, value)] : [])));
}
