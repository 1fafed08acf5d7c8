// One bound for both: a VAE, whose encoder is learned, and a diffusion model, which is a VAE of T layers whose encoders are
// fixed, trained on the same data and measured by the same function.

import { useWasm } from '@diffusion-ts/backend-wasm';
import { batches, ringOfGaussians } from '@diffusion-ts/datasets';
import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import {
  asLatentVariableModel,
  elboLoss,
  importanceWeightedBound,
  negativeElbo,
  simple,
} from '@diffusion-ts/losses';
import { mlp } from '@diffusion-ts/models';
import {
  fixedSmall,
  gaussianOfMoments,
  type ReverseProcess,
  reverseProcess,
  variationalAutoencoder,
  vPrediction,
} from '@diffusion-ts/reverse-process';
import { cosine } from '@diffusion-ts/schedules';
import { finish, type Params, rng } from '@diffusion-ts/tensor';
import { cosineDecay, initialState, type TrainStepOptions, train } from '@diffusion-ts/training';
import * as tf from '@tensorflow/tfjs-core';

await useWasm();
const data = ringOfGaussians({ size: 4000, seed: 0 });

// One latent of two numbers: q(z | x) and p(x | z) are Gaussians, whose moments two networks say.
const networks = { encoder: mlp({ dimensions: 2, outputs: 4 }), decoder: mlp({ dimensions: 2, outputs: 4 }) };
const parts = (params: Params, name: string): Params =>
  Object.fromEntries(
    Object.entries(params).flatMap(([key, x]) =>
      key.startsWith(name) ? [[key.slice(name.length + 1), x]] : [],
    ),
  );
const says = (name: keyof typeof networks, params: Params) => (x: tf.Tensor) =>
  gaussianOfMoments(networks[name].apply(parts(params, name), x, tf.zeros([x.shape[0]!])));
const vae = (params: Params): ReverseProcess =>
  variationalAutoencoder({
    encode: says('encoder', params),
    decode: says('decoder', params),
    latentShape: [2],
  });
const vaeParams = Object.fromEntries(
  Object.entries(networks).flatMap(([name, network]) =>
    Object.entries(network.init(rng(1).fork(name))).map(([key, x]) => [`${name}.${key}`, x]),
  ),
);

// Fifty latents x_1 … x_50 of the same size as the data, q(x_t | x_{t−1}) fixed.
const network = mlp({ dimensions: 2 });
const forward = gaussianDiffusion(cosine({ steps: 50 }));
const diffusion = (params: Params): ReturnType<typeof reverseProcess> =>
  reverseProcess({
    forward,
    denoiser: (xt, told) => network.apply(params, xt, told),
    predicts: vPrediction,
    variance: fixedSmall,
  });

const STEPS = 500;
async function trained<R extends ReverseProcess>(
  params: Params,
  options: Pick<TrainStepOptions<R>, 'reverse' | 'loss'>,
): Promise<Params> {
  const run = train({
    ...options,
    state: initialState(params),
    batches: (start) => batches(data, { size: 64, seed: 0, start }),
    rng: rng(2),
    steps: STEPS,
    learningRate: cosineDecay({ rate: 3e-3, steps: STEPS }),
  });
  return (await finish(run)).params;
}

const { x0 } = await ringOfGaussians({ size: 500, seed: 1 }).batch(Array.from({ length: 500 }, (_, i) => i));
const models = {
  vae: asLatentVariableModel(vae(await trained(vaeParams, { reverse: vae, loss: elboLoss() }))),
  diffusion: asLatentVariableModel(
    diffusion(await trained(network.init(rng(1)), { reverse: diffusion, loss: simple() })),
  ),
};
const average = (x: tf.Tensor): number => tf.mean(x).dataSync()[0]!;
const [vaeBits, diffusionBits] = [models.vae, models.diffusion].map((model) =>
  average(negativeElbo(model, x0, rng(3)).perExample),
) as [number, number];
console.log(models.vae.layers.length, models.diffusion.layers.length); // 1 50
// A Gaussian of the data's variance needs about 1.5 bits per dimension, the data themselves have −0.1.
console.log(vaeBits < 1.2, diffusionBits < vaeBits); // true true
// Of more samples the bound of the VAE is tighter.
console.log(average(importanceWeightedBound(models.vae, x0, rng(3), { samples: 10 })) < vaeBits); // true
console.error(vaeBits, diffusionBits);
