import { atOnce, type ReverseProcess } from '@diffusion-ts/reverse-process';
import type { NoiseLevel } from '@diffusion-ts/schedules';
import { type Condition, checkTensor, type Rng, valueAndGrad } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { checkTolerance } from './adaptive-options.js';
import { circle } from './circle.js';
import { adaptively, DORMAND_PRINCE_ORDER, dormandPrince, type State } from './embedded-pair.js';

/** Vectors e for tensors of a shape `[batch, …]`, with which Σ eᵀ J e is the trace of J for each example, or its expectation. */
export type Vectors = (shape: readonly number[]) => tf.Tensor[];

/** The unit vectors: the trace itself, by as many gradients as an example has numbers. */
export const unitVectors: Vectors = (shape) => {
  const size = shape.slice(1).reduce((product, n) => product * n, 1);
  return Array.from({ length: size }, (_, i) =>
    tf.tidy(() => {
      const one = tf.oneHot(tf.fill([shape[0]!], i, 'int32'), size);
      return tf.reshape(tf.cast(one, 'float32'), [...shape]);
    }),
  );
};

/** One vector of 1 and −1, drawn once for the whole way (Hutchinson 1990; FFJORD): no other has less variance. */
export function rademacher(rng: Rng): Vectors {
  return (shape) => [
    tf.tidy(() => tf.sub(tf.mul(2, tf.cast(tf.greater(rng.normal(shape), 0), 'float32')), 1)),
  ];
}

/** One standard normal vector, drawn once for the whole way, as Song et al. 2021 have it. */
export function normalVector(rng: Rng): Vectors {
  return (shape) => [rng.normal(shape)];
}

/** How a likelihood is found. */
export interface FlowLikelihoodOptions {
  /** How the divergence is taken: `unitVectors`, the default, of few dimensions, else `rademacher(rng)`. */
  readonly vectors?: Vectors;
  /** What the error of a step may be, as of `rk45`; default 1e-5, as in the paper. */
  readonly tolerance?: number;
  /** What the network is told about the examples. */
  readonly condition?: Condition;
  /** Stops between two steps; the promise is then rejected with its reason. */
  readonly signal?: AbortSignal;
}

/**
 * ln p(x_0) `[batch]` in nats, of the probability flow of a network: eq. 39 of Song et al. 2021,
 * ln p(x_0) = ln p_T(x_T) + ∫ ∇ · f(x_t, t) dt along the flow from x_0 to x_T, p_T being the process's noise N(0, σ_T² I). It is
 * followed by `rk45`'s pair as dz/dθ = v̂ (see there), where ∇ · v̂ = (cos θ D − ∇_z · x̂_0)/sin θ, from the least noise of the
 * schedule on: the density is that of data blurred by as much, and what signal the schedule leaves at its end counts as
 * noise. x̂_0 should not be clipped. `x0` `[batch, …]` remains the
 * caller's; the result is the caller's too.
 *
 * @throws TypeError if the process is none, or its network answers with a promise, since its gradient is needed; RangeError
 * if the tolerance is not positive and finite or no step is short enough; the signal's reason once it is aborted.
 * @example
 * const nats = await flowLikelihood(reverse, x0, { vectors: rademacher(rng(0)) });
 */
export async function flowLikelihood(
  reverse: ReverseProcess,
  x0: tf.Tensor,
  { vectors = unitVectors, tolerance = 1e-5, condition, signal }: FlowLikelihoodOptions = {},
): Promise<tf.Tensor1D> {
  checkTolerance(tolerance);
  checkTensor('x0', x0);
  const { schedule } = reverse.forward;
  const frame = circle(schedule);
  const [first, last] = [schedule.level(schedule.least), schedule.level(schedule.end)];
  const [from, to] = [frame.coordinate(first), frame.coordinate(last)];
  const levelAt = (theta: number): NoiseLevel =>
    theta === from ? first : theta === to ? last : frame.level(theta);

  const probes = vectors(x0.shape);
  const field = async ([z]: State, theta: number): Promise<State> => {
    const level = levelAt(theta);
    return tf.tidy(() => {
      const x = frame.leave(z!, level);
      const { seen, trace } = dataAndTrace(reverse, x, level, probes, condition);
      const size = z!.size / z!.shape[0]!;
      // The trace is that of ∂x̂_0/∂x; x is longer than z.
      const longer = Math.hypot(level.alpha, level.sigma);
      const divergence = tf.div(tf.sub(Math.cos(theta) * size, tf.mul(longer, trace)), Math.sin(theta));
      return [frame.slope(z!, seen, level), divergence];
    });
  };

  const start = tf.tidy(() => [tf.mul(Math.cos(from), x0), tf.zeros([x0.shape[0]!])]);
  try {
    const run = adaptively(dormandPrince, field, start, {
      from,
      to,
      tolerance,
      order: DORMAND_PRINCE_ORDER,
      signal,
    });
    let next = await run.next();
    while (!next.done) next = await run.next();
    const { y, slope } = next.value;
    const [z, change] = y as [tf.Tensor, tf.Tensor1D];
    const size = x0.size / x0.shape[0]!;
    const likelihood = tf.tidy(() => {
      const deviation = Math.sin(to);
      const squares = tf.sum(tf.square(tf.div(tf.reshape(z, [x0.shape[0]!, -1]), deviation)), 1);
      const constant = size * (Math.log(Math.cos(from)) - Math.log(deviation) - Math.log(2 * Math.PI) / 2);
      return tf.add(tf.sub(change, tf.mul(0.5, squares)), constant) as tf.Tensor1D;
    });
    tf.dispose([...y, ...slope]);
    return likelihood;
  } finally {
    tf.dispose([...start, ...probes]);
  }
}

/** x̂_0 and, for each example, Σ eᵀ (∂x̂_0/∂x) e. */
function dataAndTrace(
  reverse: ReverseProcess,
  x: tf.Tensor,
  level: NoiseLevel,
  probes: readonly tf.Tensor[],
  condition: Condition | undefined,
): { seen: tf.Tensor; trace: tf.Tensor } {
  let seen: tf.Tensor | undefined;
  const terms = probes.map((e) => {
    const { grads, value } = valueAndGrad((params) => {
      const evaluation = atOnce(reverse.evaluate(params.x!, level.t, condition));
      const x0 = evaluation.x0();
      seen ??= tf.keep(tf.clone(x0));
      const along = tf.sum(tf.mul(x0, e)) as tf.Scalar;
      evaluation.dispose();
      return along;
    })({ x });
    value.dispose();
    return tf.sum(tf.reshape(tf.mul(grads.x!, e), [x.shape[0]!, -1]), 1);
  });
  const kept = seen!;
  const result = { seen: tf.clone(kept), trace: tf.addN(terms) };
  kept.dispose();
  return result;
}

/** How far apart the values of images are, k/127.5 − 1. */
const EIGHT_BITS = 1 / 127.5;

/**
 * Images of 8 bits in [−1, 1] made continuous: each value with uniform noise of its own bin (Uria et al. 2013; Theis et al.
 * 2016), so that ln p of the result plus D ln(1/127.5) is on average at most ln P of the image.
 */
export function dequantised(x0: tf.Tensor, rng: Rng): tf.Tensor {
  return tf.tidy(() => tf.add(x0, tf.mul(EIGHT_BITS, tf.sub(rng.uniform(x0.shape), 0.5))));
}

/**
 * Bits per dimension of each example from ln p in nats: −(ln p + D ln w)/(D ln 2), w = 1/127.5 the width of a bin of `dequantised`
 * images; without a width the density itself, as of points.
 */
export function flowBitsPerDim(
  nats: ArrayLike<number>,
  {
    dimensions,
    width = 1,
  }: {
    /** D, how many numbers an example has. */
    dimensions: number;
    /** w, how wide a bin of the data is; default 1: a density. */
    width?: number;
  },
): number[] {
  return Array.from(nats, (nat) => -(nat / dimensions + Math.log(width)) / Math.LN2);
}
