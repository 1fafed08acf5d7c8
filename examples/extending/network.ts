// A network: any function of parameters, x_t and what is told of the time. Its parameters are a tree of tensors by name,
// so that it trains, is averaged and resumed like the ones here.

import '@tensorflow/tfjs-backend-cpu';
import { gaussianDiffusion, latent } from '@diffusion-ts/forward-process';
import { simple } from '@diffusion-ts/losses';
import {
  fixedSmall,
  type GaussianReverseProcess,
  reverseProcess,
  x0Prediction,
} from '@diffusion-ts/reverse-process';
import { ddim } from '@diffusion-ts/samplers';
import { cosine, trailing } from '@diffusion-ts/schedules';
import { type Denoiser, finish, type Params, rng } from '@diffusion-ts/tensor';
import { constantRate, initialState, stratifiedTimes, train } from '@diffusion-ts/training';
import * as tf from '@tensorflow/tfjs-core';

/** x̂_0 = A x_t + b, the best that is linear; who asks for the time finds it in `told`. */
const affine =
  ({ A, b }: Params): Denoiser =>
  (xt, _told) =>
    tf.tidy(() => tf.add(tf.matMul(xt as tf.Tensor2D, A as tf.Tensor2D), b!));

const forward = gaussianDiffusion(cosine({ steps: 100 }));
const reverse = (params: Params): GaussianReverseProcess =>
  reverseProcess({ forward, denoiser: affine(params), predicts: x0Prediction, variance: fixedSmall });

const run = train({
  state: initialState({ A: tf.zeros([2, 2]), b: tf.zeros([2]) }),
  reverse,
  loss: simple(),
  batches: async function* () {
    const x0 = tf.tile(tf.tensor2d([[3, -2]]), [64, 1]);
    for (;;) yield { x0 };
  },
  rng: rng(0),
  steps: 300,
  learningRate: constantRate(3e-2),
  times: stratifiedTimes(),
});
const { params } = await finish(run);
const xT = latent(forward, rng(1), [1, 2]);
const samples = await finish(ddim({ times: trailing(10) })(reverse(params), xT));
console.log([...samples.dataSync()].map((x) => x.toFixed(1)).join()); // 3.0,-2.0
