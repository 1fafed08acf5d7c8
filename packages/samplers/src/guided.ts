import type { Denoiser } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';

export interface GuidanceOptions {
  /** w: 0 is the conditional network itself, −1 the unconditional one; higher trades variety for fidelity. */
  readonly scale: number;
  /** The label that means "no class": the number of classes, by the convention of class dropout in training. */
  readonly unconditional: number;
}

/**
 * Classifier-free guidance, eq. 6 of Ho & Salimans 2022: (1 + w) ε_θ(x_t, c) − w ε_θ(x_t), both from one evaluation of
 * the network on a doubled batch. It says the same of ε, x_0, v and the mean, which are affine in one another. Channels
 * of the output beyond those of `xt` are a learned variance and come from the conditional half untouched.
 *
 * @throws RangeError if the scale is not finite or `unconditional` is not a whole number; TypeError, when evaluated, if
 * the condition has no labels.
 */
export function guided(denoiser: Denoiser, { scale, unconditional }: GuidanceOptions): Denoiser {
  if (!Number.isFinite(scale)) throw new RangeError(`scale must be a finite number, not ${scale}`);
  if (!Number.isInteger(unconditional) || unconditional < 0) {
    throw new RangeError(
      `unconditional must be the whole number of the "no class" label, not ${unconditional}`,
    );
  }
  if (scale === 0) return denoiser;
  return (xt, t, condition) => {
    const labels = condition?.labels;
    if (labels === undefined)
      throw new TypeError('condition.labels is missing, and guidance needs a class to guide to');
    return tf.tidy(() => {
      const output = denoiser(tf.concat([xt, xt], 0), tf.concat([t, t], 0), {
        ...condition,
        labels: tf.concat([labels, tf.fill(labels.shape, unconditional, 'int32')], 0),
      });
      const [conditional, free] = tf.split(output, 2, 0) as [tf.Tensor, tf.Tensor];
      const guide = (c: tf.Tensor, u: tf.Tensor): tf.Tensor => tf.add(c, tf.mul(scale, tf.sub(c, u)));
      const channels = xt.shape.at(-1)!;
      const extra = output.shape.at(-1)! - channels;
      if (extra === 0) return guide(conditional, free);
      const [prediction, variance] = tf.split(conditional, [channels, extra], -1) as [tf.Tensor, tf.Tensor];
      const [freePrediction] = tf.split(free, [channels, extra], -1) as [tf.Tensor];
      return tf.concat([guide(prediction, freePrediction), variance], -1);
    });
  };
}
