import { continuous, type NoiseSchedule } from '@diffusion-ts/schedules';
import type { Params, Rng, Shapes } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';

/**
 * γ(t) = −log-SNR (Kingma et al. 2021, section 3.2) of t ∈ [0, 1], as what the gradient sees of a noise schedule:
 * γ(t) = γ_min + (γ_max − γ_min) s(t), with α² = sigmoid(−γ) and σ² = sigmoid(γ). The bound depends on the ends and, in
 * continuous time, not on the shape s between them, which settles the variance of its estimate alone.
 */
export interface Gamma {
  /** Whether s has parameters of its own. */
  readonly learnsShape: boolean;
  /** Of its parameters, which are named `gamma.…`; none where nothing is learned. */
  readonly shapes: Shapes;
  /** Parameters of these shapes, to train beside those of the network. */
  init(rng: Rng): Params;
  /** γ_min and γ_max, scalars. */
  ends(params: Params): { readonly min: tf.Tensor; readonly max: tf.Tensor };
  /** s from 0 at t = 0 to 1 at t = 1, never falling, and ds/dt, `[batch]`. */
  shape(params: Params, t: tf.Tensor1D): { readonly value: tf.Tensor1D; readonly slope: tf.Tensor1D };
}

/** Where γ begins and ends. */
export interface GammaEnds {
  /** γ at t = 0, the least noise; −13.3 by default, as in the paper. */
  readonly min?: number;
  /** γ at t = 1, the most; 5 by default, as in the paper. */
  readonly max?: number;
}

/**
 * γ linear in t, its ends fixed.
 * @throws RangeError unless min < max.
 */
export function fixedGamma(ends: GammaEnds = {}): Gamma {
  const { min, max } = checkedEnds(ends);
  return {
    learnsShape: false,
    shapes: {},
    init: () => ({}),
    ends: () => ({ min: tf.scalar(min), max: tf.scalar(max) }),
    shape: (_, t) => ({ value: tf.clone(t), slope: tf.onesLike(t) }),
  };
}

/**
 * γ linear in t, its ends learned from these on.
 * @throws RangeError unless min < max.
 */
export function linearGamma(ends: GammaEnds = {}): Gamma {
  const { min, max } = checkedEnds(ends);
  return {
    ...fixedGamma(ends),
    shapes: { 'gamma.min': [], 'gamma.max': [] },
    init: () => ({ 'gamma.min': tf.scalar(min), 'gamma.max': tf.scalar(max) }),
    ends: (params) => ({ min: params['gamma.min']!, max: params['gamma.max']! }),
  };
}

/**
 * A monotone network (Kingma et al. 2021, appendix H): s̃(t) = l_1(t) + l_3(sigmoid(l_2(l_1(t)))) with weights that are
 * exponentials, `hidden` of them (the paper's 1024 by default), brought to 0 … 1; its ends are learned too.
 * @throws RangeError unless min < max and `hidden` is a whole number from 1 on.
 */
export function monotoneGamma({
  hidden = 1024,
  ...ends
}: GammaEnds & {
  /** How many weights l_2 and l_3 have, a whole number from 1 on; default 1024, as in the paper. */
  readonly hidden?: number;
} = {}): Gamma {
  if (!Number.isInteger(hidden) || hidden < 1) {
    throw new RangeError(`hidden must be a whole number from 1 on, not ${hidden}`);
  }
  const linear = linearGamma(ends);
  /** s̃ of a column of times, and its slope. */
  const free = (params: Params, t: tf.Tensor1D) => {
    const [first, inner, outer] = ['first', 'inner', 'outer'].map((name) => tf.exp(params[`gamma.${name}`]!));
    const along = tf.mul(tf.expandDims(t, 1), first!);
    const gates = tf.sigmoid(tf.add(tf.mul(along, inner!), params['gamma.bias']!));
    const steepness = tf.mul(tf.mul(gates, tf.sub(1, gates)), tf.mul(outer!, inner!));
    return {
      value: tf.add(tf.squeeze(along, [1]), tf.sum(tf.mul(gates, outer!), 1)),
      slope: tf.mul(tf.add(tf.sum(steepness, 1), 1), first!),
    };
  };
  return {
    ...linear,
    learnsShape: true,
    shapes: {
      ...linear.shapes,
      'gamma.first': [1],
      'gamma.inner': [hidden],
      'gamma.bias': [hidden],
      'gamma.outer': [hidden],
    },
    init: (rng) => ({
      ...linear.init(rng),
      // Nearly a line at first: gates spread over the interval, which add little to it.
      'gamma.first': tf.zeros([1]),
      'gamma.inner': tf.fill([hidden], Math.log(10)),
      'gamma.bias': tf.tidy(() => tf.mul(rng.uniform([hidden]), -10)),
      'gamma.outer': tf.fill([hidden], Math.log(0.5 / hidden)),
    }),
    shape(params, t) {
      const at = free(params, t);
      const [low, high] = tf.split(free(params, tf.tensor1d([0, 1])).value, 2);
      const length = tf.sub(high!, low!);
      return {
        value: tf.div(tf.sub(at.value, low!), length),
        slope: tf.div(at.slope, length),
      };
    },
  };
}

/** How many straight pieces a learned γ is read off with. */
const PIECES = 1024;

/**
 * A learned γ as a schedule of the host, to sample and to encode with. The network is told γ, −log-SNR.
 * @throws RangeError if γ does not rise, as where a parameter is NaN.
 */
export async function scheduleOfGamma(gamma: Gamma, params: Params): Promise<NoiseSchedule> {
  const read = tf.tidy(() => gammaAt(gamma, params, tf.linspace(0, 1, PIECES + 1)).gamma);
  const values = await read.data<'float32'>();
  read.dispose();
  return continuous((u) => {
    const piece = Math.min(Math.floor(u * PIECES), PIECES - 1);
    const part = u * PIECES - piece;
    return -(values[piece]! * (1 - part) + values[piece + 1]! * part);
  });
}

/** γ and dγ/dt at these times t `[batch]` in [0, 1], each `[batch]`. */
export function gammaAt(
  gamma: Gamma,
  params: Params,
  t: tf.Tensor1D,
  shape: ReturnType<Gamma['shape']> = gamma.shape(params, t),
): {
  /** γ(t). */
  gamma: tf.Tensor1D;
  /** dγ/dt. */
  slope: tf.Tensor1D;
} {
  const { min, max } = gamma.ends(params);
  const length = tf.sub(max, min);
  return { gamma: tf.add(min, tf.mul(length, shape.value)), slope: tf.mul(length, shape.slope) };
}

function checkedEnds({ min = -13.3, max = 5 }: GammaEnds): { min: number; max: number } {
  if (min < max) return { min, max };
  throw new RangeError(`min is ${min} and max ${max}, expected γ to grow from one to the other`);
}
