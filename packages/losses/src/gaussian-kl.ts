import type { Gaussian } from '@diffusion-ts/forward-process';
import * as tf from '@tensorflow/tfjs-core';

/**
 * KL(q ‖ p) of Gaussians with independent components, in nats, element by element:
 * ½ (e^δ − 1 − δ + (μ_q − μ_p)² / σ_p²) with δ = ln σ_q² − ln σ_p².
 */
export function gaussianKl(
  q: Pick<Gaussian, 'mean' | 'logVariance'>,
  p: Pick<Gaussian, 'mean' | 'logVariance'>,
): tf.Tensor {
  return tf.tidy(() => {
    const delta = tf.sub(q.logVariance, p.logVariance);
    // Small KLs are all that a good model has: expm1 keeps their digits, where e^δ − 1 would leave rounding.
    const ofVariances = tf.sub(tf.expm1(delta), delta);
    const ofMeans = tf.mul(tf.square(tf.sub(q.mean, p.mean)), tf.exp(tf.neg(p.logVariance)));
    return tf.mul(tf.add(ofVariances, ofMeans), 0.5);
  });
}
