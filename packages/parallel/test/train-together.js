// Steps of an MLP on batches of 16 examples, of which each rank has its rows.

import '@tensorflow/tfjs-backend-cpu';
import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { simple } from '@diffusion-ts/losses';
import { mlp } from '@diffusion-ts/models';
import { epsilonPrediction, fixedSmall, reverseProcess } from '@diffusion-ts/reverse-process';
import { linear } from '@diffusion-ts/schedules';
import { rng } from '@diffusion-ts/tensor';
import {
  constantDecay,
  constantRate,
  initialState,
  progressOf,
  restoreState,
  trainStep,
} from '@diffusion-ts/training';
import * as tf from '@tensorflow/tfjs-core';
import { gatherValues } from '../dist/index.js';

const BATCH = 16;

/** @typedef {import('../src/index.js').Communicator} Communicator */

/**
 * Of each rank the losses, the weights in the beginning and in the end, by name, and what it saves in the end.
 * @param {Communicator} communicator
 */
export default async function trainTogether(communicator, { steps = 10, saved } = {}) {
  const { state, step } = await trainingOf(communicator, saved);
  const begun = numbersOf(state.params);
  const losses = [];
  while (state.step < steps) losses.push(await step());
  const trained = { losses, begun, params: numbersOf(state.params), ema: numbersOf(state.ema) };
  return gatherValues(communicator, { ...trained, saved: savedOf(state) });
}

/**
 * A training: its state, the one that was saved if there is one, and how it takes a step, which gives the loss.
 * @param {Communicator} communicator
 */
export async function trainingOf(communicator, saved) {
  const { rank, size } = communicator;
  await tf.setBackend('cpu');
  const forward = gaussianDiffusion(linear({ steps: 100 }));
  const model = mlp({ dimensions: 2, hidden: 16, layers: 2, timeFeatures: 8 });
  // Each begins with weights of its own, and takes those of rank 0.
  const state =
    saved === undefined
      ? initialState(await communicator.broadcast(model.init(rng(rank))))
      : restoreState(tensorsOf(saved.trees), saved.progress);
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
  const own = BATCH / size;
  const step = async () => {
    const whole = rng(2).fork(state.step).normal([BATCH, 2]);
    const { loss } = await trainStep(state, { x0: tf.slice(whole, [rank * own], [own]) }, options);
    return loss;
  };
  return { state, step };
}

/** What JSON can hold of a state. @param {import('@diffusion-ts/training').TrainState} state */
export function savedOf(state) {
  const { params, ema, slots } = state;
  const written = (part) =>
    part instanceof tf.Tensor
      ? { shape: part.shape, numbers: [...part.dataSync()] }
      : Object.fromEntries(Object.entries(part).map(([name, inner]) => [name, written(inner)]));
  return { progress: progressOf(state), trees: written({ params, ema, slots }) };
}

const tensorsOf = (part) =>
  Array.isArray(part.numbers)
    ? tf.tensor(part.numbers, part.shape)
    : Object.fromEntries(Object.entries(part).map(([name, inner]) => [name, tensorsOf(inner)]));

/** @param {import('@diffusion-ts/tensor').Params} tensors */
const numbersOf = (tensors) =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, [...tensor.dataSync()]]));
