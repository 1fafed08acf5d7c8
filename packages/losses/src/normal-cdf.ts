import * as tf from '@tensorflow/tfjs-core';

/** Beyond it a standard normal has less than 1e-15 of its mass: ±8 stands for ±∞. */
export const NORMAL_LIMIT = 8;

/** ln(Φ(z) / (1 − Φ(z))), element by element; of full precision in both tails. */
export type LogitOfNormalCdf = (z: tf.Tensor) => tf.Tensor;

/**
 * The approximation Φ(z) ≈ ½ (1 + tanh(√(2/π) (z + 0.044715 z³))), off by up to 3e-4, of which the logit is a
 * polynomial; the likelihoods published for DDPM and improved DDPM were computed with it.
 */
export const logitOfTanhCdf: LogitOfNormalCdf = (z) =>
  tf.tidy(() => tf.mul(tf.mul(z, tf.add(tf.mul(tf.square(z), 0.044715), 1)), Math.sqrt(8 / Math.PI)));

// logit Φ(z) = z √(1 + z²/11) P(u) with u = 1 / (1 + z²/11): interpolated at the nine Chebyshev nodes of u for |z| ≤ 8.
const C = 11;
const P = [
  1.66472485, 0.211963254, -1.29253211, 3.40827376, -6.86159483, 9.16413626, -7.19790702, 3.02971689,
  -0.531011914,
];

/** The normal CDF itself, ½ (1 + erf(z/√2)): its logit is good to 5e-7 relative for |z| ≤ 8, which is float32. */
export const logitOfErfCdf: LogitOfNormalCdf = (z) =>
  tf.tidy(() => {
    const stretch = tf.add(tf.div(tf.square(z), C), 1);
    const u = tf.reciprocal(stretch);
    const polynomial = P.reduceRight<tf.Tensor>((sum, c) => tf.add(tf.mul(sum, u), c), tf.scalar(0));
    return tf.mul(tf.mul(z, tf.sqrt(stretch)), polynomial);
  });
