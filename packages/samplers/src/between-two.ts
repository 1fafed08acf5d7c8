import { checkTensor } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';

/**
 * Between two latents, `[2, …]` to `[weights.length, …]`, on a straight line: weight 0 is the first and 1 the second. Half-way
 * between two draws of noise there is less of it than a network expects: `slerp` keeps the amount.
 * @throws RangeError if there are not two, TypeError if it is no tensor.
 */
export function lerp(ends: tf.Tensor, weights: readonly number[]): tf.Tensor {
  return mixed(ends, weights, () => (weight) => [1 - weight, weight]);
}

/**
 * Between two latents, `[2, …]` to `[weights.length, …]`, along the great circle (Shoemake 1985; Song et al. 2021, appendix
 * D.5): (sin((1 − w)θ) a + sin(wθ) b)/sin θ with the angle θ between them. Two of one direction are mixed on the line.
 * @throws RangeError if there are not two, TypeError if it is no tensor.
 * @example
 * // From one image to another: what noise are they made of, and what does the noise between make?
 * const times = trailing(50);
 * const xT = await finish(ddimInversion({ times })(reverse, images)); // [2, 28, 28, 1]
 * const between = await finish(ddim({ times })(reverse, slerp(xT, [0, 0.25, 0.5, 0.75, 1])));
 */
export function slerp(ends: tf.Tensor, weights: readonly number[]): tf.Tensor {
  return mixed(ends, weights, (a, b) => {
    const dot = (x: tf.Tensor, y: tf.Tensor): number => tf.sum(tf.mul(x, y)).dataSync()[0]!;
    const cosine = dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
    const theta = Math.acos(Math.min(Math.max(cosine, -1), 1));
    // Where sin θ is nothing, or there is no direction, the line.
    if (!(Math.sin(theta) > 1e-4)) return (weight) => [1 - weight, weight];
    return (weight) => [
      Math.sin((1 - weight) * theta) / Math.sin(theta),
      Math.sin(weight * theta) / Math.sin(theta),
    ];
  });
}

/** The factors of both ends at a weight. */
type Factors = (weight: number) => readonly [number, number];

function mixed(
  ends: tf.Tensor,
  weights: readonly number[],
  factorsOf: (a: tf.Tensor, b: tf.Tensor) => Factors,
): tf.Tensor {
  checkTensor('ends', ends);
  if (ends.shape[0] !== 2)
    throw new RangeError(`ends must be two latents, [2, …], not shape [${ends.shape}]`);
  return tf.tidy(() => {
    const rows = tf.reshape(ends, [2, -1]) as tf.Tensor2D;
    const [a, b] = tf.unstack(rows) as [tf.Tensor, tf.Tensor];
    const of = factorsOf(a, b);
    const factors = tf.tensor2d(
      weights.flatMap((weight) => [...of(weight)]),
      [weights.length, 2],
    );
    return tf.reshape(tf.matMul(factors, rows), [weights.length, ...ends.shape.slice(1)]);
  });
}
