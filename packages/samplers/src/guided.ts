import { type Condition, chooseRows, type Denoiser, joinRows, whenAnswered } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';

/** How strongly samples are drawn to their condition, and what stands for none. */
export interface GuidanceOptions {
  /** w: 0 is the conditional network itself, −1 the unconditional one; higher trades variety for fidelity. */
  readonly scale: number;
  /**
   * What is told in place of the condition where there is none, one row of each tensor that is hidden: of a class
   * `{ label }`, the number of classes, by the convention of training. It remains the caller's.
   */
  readonly empty: Condition;
}

/**
 * Classifier-free guidance, eq. 6 of Ho & Salimans 2022: (1 + w) ε_θ(x_t, c) − w ε_θ(x_t), both from one evaluation of
 * the network on a doubled batch. It says the same of ε, x_0, v and the mean, which are affine in one another. Channels
 * of the output beyond those of `xt` are a learned variance and come from the conditional half untouched.
 *
 * @throws RangeError if the scale is not finite or nothing is hidden; when evaluated, TypeError if there is no condition,
 * RangeError if it lacks what is hidden.
 * @example
 * const empty = { label: tf.tensor1d([10], 'int32') }; // of ten digits the eleventh: "no label"
 * const sevens = { ...reverse, denoiser: guided(reverse.denoiser, { scale: 2, empty }) };
 * const condition = { label: tf.fill([16], 7, 'int32') };
 * const x0 = await finish(ddim({ times: trailing(50) })(sevens, xT, { condition })); // xT is [16, 28, 28, 1]
 */
export function guided(denoiser: Denoiser, { scale, empty }: GuidanceOptions): Denoiser {
  if (!Number.isFinite(scale)) throw new RangeError(`scale must be a finite number, not ${scale}`);
  if (Object.keys(empty ?? {}).length === 0)
    throw new RangeError('empty must hold what is told without a condition');
  if (scale === 0) return denoiser;
  return (xt, told, condition) => {
    if (condition === undefined)
      throw new TypeError('condition is missing, and guidance needs one to guide to');
    const both = tf.tidy((): [tf.Tensor, tf.Tensor1D, Condition & tf.NamedTensorMap] => {
      const free = chooseRows(tf.ones([xt.shape[0]!], 'bool'), empty, condition);
      return [tf.concat([xt, xt], 0), tf.concat([told, told], 0), joinRows(condition, free)];
    });
    return whenAnswered(
      () => denoiser(...both),
      (output) => {
        try {
          return tf.tidy(() => guide(output, scale, xt.shape.at(-1)!));
        } finally {
          output.dispose();
        }
      },
      () => tf.dispose(both),
    );
  };
}

/** The two halves of a batch as one: the conditional, moved away from the free one. */
function guide(output: tf.Tensor, scale: number, channels: number): tf.Tensor {
  const [conditional, free] = tf.split(output, 2, 0) as [tf.Tensor, tf.Tensor];
  const away = (c: tf.Tensor, u: tf.Tensor): tf.Tensor => tf.add(c, tf.mul(scale, tf.sub(c, u)));
  const extra = output.shape.at(-1)! - channels;
  if (extra === 0) return away(conditional, free);
  const [prediction, variance] = tf.split(conditional, [channels, extra], -1) as [tf.Tensor, tf.Tensor];
  const [freePrediction] = tf.split(free, [channels, extra], -1) as [tf.Tensor];
  return tf.concat([away(prediction, freePrediction), variance], -1);
}
