// A prediction: the score ∇ ln q(x_t) = −ε/σ (Song et al. 2021). Solve it for x_0, x_0 = (x_t + σ² F)/α, and read off
// the factors of x_t and F.

import '@tensorflow/tfjs-backend-cpu';
import { exactGaussian } from '@diffusion-ts/analytic';
import { gaussianDiffusion, latent } from '@diffusion-ts/forward-process';
import { fixedSmall, type Prediction, reverseProcess } from '@diffusion-ts/reverse-process';
import { ddim } from '@diffusion-ts/samplers';
import { cosine, trailing } from '@diffusion-ts/schedules';
import { finish, rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';

export const scorePrediction: Prediction = {
  name: 'score',
  at: ({ alpha, sigma }) => ({ skip: 1 / alpha, out: sigma ** 2 / alpha }),
};

// Everything takes it: targets, losses, samplers. Here a network that knows the score of N(2, 0.5²), and what it draws.
const schedule = cosine({ steps: 1000 });
const data = exactGaussian({ mean: 2, deviation: 0.5 });
const reverse = reverseProcess({
  forward: gaussianDiffusion(schedule),
  denoiser: (xt, told) => data.score(schedule, xt, Float64Array.from(told.dataSync())),
  predicts: scorePrediction,
  variance: fixedSmall,
});
const xT = latent(reverse.forward, rng(0), [4000, 1]);
const samples = await finish(ddim({ times: trailing(100) })(reverse, xT));
const { mean, variance } = tf.moments(samples);
console.log(mean.dataSync()[0]!.toFixed(1)); // 2.0
console.log(Math.sqrt(variance.dataSync()[0]!).toFixed(1)); // 0.5
