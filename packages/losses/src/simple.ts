import type { ReverseProcess } from '@diffusion-ts/reverse-process';
import { lookup } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Loss } from './loss.js';
import { meanPerExample } from './mean-per-example.js';
import { uniform, type Weighting } from './weighting.js';

/** d², |d|, or Huber's: d²/2 up to |d| = 1 and |d| − ½ beyond. */
export type Norm = 'l2' | 'l1' | 'huber';

export interface SimpleOptions {
  /** Default `l2`. */
  readonly norm?: Norm;
  /** Default `uniform`. */
  readonly weighting?: Weighting;
}

/**
 * L_simple (Ho et al. 2020, eq. 14), for whatever the network predicts: the error of its prediction, averaged over the
 * components of an example, times the weight of the timestep. For ε, the mean of (ε − ε_θ(x_t, t))².
 */
export function simple({ norm = 'l2', weighting = uniform }: SimpleOptions = {}): Loss {
  return (reverse, x0, t, noise, condition) =>
    tf.tidy(() => {
      const xt = reverse.forward.sample(x0, t, noise);
      const { prediction } = reverse.network(xt, t, condition);
      const target = reverse.target(x0, xt, t, noise);
      return { perExample: predictionError(reverse, prediction, target, t, norm, weighting) };
    });
}

/** The weighted error of a prediction, `[batch]`. */
export function predictionError(
  reverse: ReverseProcess,
  prediction: tf.Tensor,
  target: tf.Tensor,
  t: tf.Tensor1D,
  norm: Norm,
  weighting: Weighting,
): tf.Tensor1D {
  return tf.tidy(() => {
    const error = meanPerExample(penalty(norm, tf.sub(prediction, target)));
    return tf.mul(error, lookup(weighting(reverse.forward.schedule, reverse.predicts), t, 1));
  });
}

function penalty(norm: Norm, d: tf.Tensor): tf.Tensor {
  if (norm === 'l2') return tf.square(d);
  const size = tf.abs(d);
  if (norm === 'l1') return size;
  // With c the part of |d| up to 1, c (|d| − c/2) is both branches in one, so no where() and no gradient of the other.
  const c = tf.minimum(size, 1);
  return tf.mul(c, tf.sub(size, tf.mul(c, 0.5)));
}
