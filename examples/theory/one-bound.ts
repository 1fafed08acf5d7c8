// One bound for both: a VAE, whose encoder is learned, and a diffusion model, which is a VAE of T layers whose encoders are
// fixed, on the same data and measured by the same function. The data are Gaussian, so that the best of both are known, and
// what the bound may be at its least: the entropy of the data.

import '@tensorflow/tfjs-backend-cpu';
import { exactGaussian } from '@diffusion-ts/analytic';
import { gaussian, gaussianDiffusion } from '@diffusion-ts/forward-process';
import { asLatentVariableModel, importanceWeightedBound, negativeElbo } from '@diffusion-ts/losses';
import { reverseProcess, variationalAutoencoder, vPrediction } from '@diffusion-ts/reverse-process';
import { cosine } from '@diffusion-ts/schedules';
import { rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';

// x = w z + s ε with z ~ N(0, 1) is N(0, w² + s²).
const [w, s] = [1.2, 0.5];
const variance = w ** 2 + s ** 2;
const data = exactGaussian({ mean: 0, deviation: Math.sqrt(variance) });

/** One layer: p(x | z) as the data are made, and an encoder that is off the true posterior by so much. */
const vae = (off: number) =>
  variationalAutoencoder({
    encode: (x) =>
      gaussian({ mean: tf.add(tf.mul(x, w / variance), off), logVariance: Math.log(s ** 2 / variance) }),
    decode: (z) => gaussian({ mean: tf.mul(z, w), logVariance: Math.log(s ** 2) }),
    latentShape: [4],
  });

/** T layers, x_1 … x_T, with the true mean and variance on the way back. */
const diffusion = (steps: number) => {
  const schedule = cosine({ steps });
  return reverseProcess({
    forward: gaussianDiffusion(schedule),
    denoiser: data.denoiser(schedule, vPrediction),
    predicts: vPrediction,
    variance: data.variance,
  });
};

const x = data.sample(rng(0), [4000, 4]);
const average = (bits: tf.Tensor): string => tf.mean(bits).dataSync()[0]!.toFixed(2);
const bound = (model: Parameters<typeof asLatentVariableModel>[0]): string =>
  average(negativeElbo(asLatentVariableModel(model), x, rng(1)).perExample);

console.log(data.entropy.toFixed(2)); // 2.43
// As near as four thousand examples tell; N(0, I) costs a little, since x_20 still knows something of the data.
console.log(bound(vae(0)), bound(diffusion(20))); // 2.42 2.44
// What an encoder misses is the gap, KL(q(z | x) ‖ p(z | x)), and more samples of it close the gap.
const missing = asLatentVariableModel(vae(0.5));
console.log(average(negativeElbo(missing, x, rng(1)).perExample)); // 3.64
console.log(average(importanceWeightedBound(missing, x, rng(1), { samples: 10 }))); // 2.84
