// Ten steps of an MLP on batches of 16 examples, of which each rank has its rows.

import '@tensorflow/tfjs-backend-cpu';
import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { simple } from '@diffusion-ts/losses';
import { mlp } from '@diffusion-ts/models';
import { epsilonPrediction, fixedSmall, reverseProcess } from '@diffusion-ts/reverse-process';
import { linear } from '@diffusion-ts/schedules';
import { rng } from '@diffusion-ts/tensor';
import { constantDecay, constantRate, initialState, trainStep } from '@diffusion-ts/training';
import * as tf from '@tensorflow/tfjs-core';
import { gatherValues } from '../dist/index.js';

const BATCH = 16;

/** Of each rank the losses, and the weights in the beginning and in the end, by name. @param {import('../src/index.js').Communicator} communicator */
export default async function trainTogether(communicator) {
  const { rank, size } = communicator;
  await tf.setBackend('cpu');
  const forward = gaussianDiffusion(linear({ steps: 100 }));
  const model = mlp({ dimensions: 2, hidden: 16, layers: 2, timeFeatures: 8 });
  // Each begins with weights of its own, and takes those of rank 0.
  const state = initialState(await communicator.broadcast(model.init(rng(rank))));
  const begun = numbersOf(state.params);
  const options = {
    reverse: (params) =>
      reverseProcess({
        forward,
        denoiser: (...inputs) => model.apply(params, ...inputs),
        predicts: epsilonPrediction,
        variance: fixedSmall,
      }),
    loss: simple(),
    rng: rng(1),
    learningRate: constantRate(1e-3),
    ema: constantDecay(0.9),
    communicator,
  };
  const losses = [];
  const own = BATCH / size;
  for (let k = 0; k < 10; k++) {
    const whole = rng(2).fork(k).normal([BATCH, 2]);
    const { loss } = await trainStep(state, { x0: tf.slice(whole, [rank * own], [own]) }, options);
    losses.push(loss);
  }
  const trained = { losses, begun, params: numbersOf(state.params), ema: numbersOf(state.ema) };
  return gatherValues(communicator, trained);
}

/** @param {import('@diffusion-ts/tensor').Params} tensors */
const numbersOf = (tensors) =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, [...tensor.dataSync()]]));
