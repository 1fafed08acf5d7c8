import { categorical, type ForwardProcess } from '@diffusion-ts/forward-process';
import type { PerExample } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Loss } from './loss.js';

/** A network that tells the classes of noisy data. */
export interface NoisyClassifier {
  /** The process that makes noise of the data. */
  readonly forward: ForwardProcess;
  /** The logits of p(y | x_t), `[batch, classes]`, for x_t `[batch, …]` at one time for all or one for each example. */
  logits(xt: tf.Tensor, t: PerExample): tf.Tensor;
}

/**
 * −log₂ p(y | x_t) of the labels y, in bits: what a classifier of noisy data learns by (Dhariwal and Nichol 2021, section 4.1).
 * At pure noise the best of K equally frequent classes is log₂ K.
 * @throws TypeError if there are no labels.
 */
export function labelCrossEntropy(): Loss<NoisyClassifier> {
  return ({ reverse: { forward, logits }, x0, t, noise, condition }) => {
    const label = condition?.label;
    if (label === undefined) throw new TypeError('condition.label is missing, and a classifier learns it');
    return tf.tidy(() => {
      const told = categorical(tf.softmax(logits(forward.sample(x0, t, noise), t)));
      const nats = tf.neg(told.logProb(tf.cast(label, 'float32')));
      return { perExample: tf.div(nats, Math.LN2) as tf.Tensor1D };
    });
  };
}
