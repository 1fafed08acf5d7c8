import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { simple } from '@diffusion-ts/losses';
import { epsilonPrediction, fixedSmall, reverseProcess } from '@diffusion-ts/reverse-process';
import { linear } from '@diffusion-ts/schedules';
import { type Params, rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import {
  constantRate,
  type StepRecord,
  type TrainBatch,
  type TrainOptions,
  type TrainState,
  train,
} from '../src/index.js';

export const steps = 40;
export const classes = 3;
export const forward = gaussianDiffusion(linear({ steps }));

/** A network with one hidden layer that is told t and the class. */
export function toyParams(seed = 1): Params {
  const source = rng(seed);
  const weights = (shape: number[], scale: number): tf.Tensor =>
    tf.tidy(() => tf.mul(source.normal(shape), scale));
  return {
    'out.weight': weights([16, 2], 0.1),
    'hidden.weight': weights([2 + steps + classes + 1, 16], 0.4),
    'hidden.bias': tf.zeros([16]),
  };
}

export const toyReverse: TrainOptions['reverse'] = (params) =>
  reverseProcess({
    forward,
    denoiser: (xt, told, condition) => {
      const labels = condition?.label ?? tf.zeros([told.shape[0]], 'int32');
      const oneHot = (indices: tf.Tensor, depth: number): tf.Tensor2D =>
        tf.cast(tf.oneHot(tf.cast(indices, 'int32'), depth), 'float32') as tf.Tensor2D;
      const features = tf.concat([xt as tf.Tensor2D, oneHot(told, steps), oneHot(labels, classes + 1)], 1);
      const hidden = tf.tanh(tf.add(tf.matMul(features, params['hidden.weight']!), params['hidden.bias']!));
      return tf.matMul(hidden as tf.Tensor2D, params['out.weight'] as tf.Tensor2D);
    },
    predicts: epsilonPrediction,
    variance: fixedSmall,
  });

/** The same, with the network seen through `f`, which may watch or change it. */
export function through(
  f: (
    denoise: ReturnType<typeof toyReverse>['denoiser'],
    ...source: Parameters<typeof toyReverse>
  ) => ReturnType<typeof toyReverse>['denoiser'],
): typeof toyReverse {
  return (params, source) => {
    const reverse = toyReverse(params, source);
    return { ...reverse, denoiser: f(reverse.denoiser, params, source) };
  };
}

/** What is told where the class is hidden. */
export const noClass = (): { label: tf.Tensor1D } => ({ label: tf.tensor1d([classes], 'int32') });

/** Batch k is a function of k; each is freed when the next one is asked for. */
export function toyBatches(size: number): (start: number) => AsyncGenerator<TrainBatch> {
  return async function* (start) {
    for (let k = start; ; k++) {
      const batch = toyBatch(size, k);
      try {
        yield batch;
      } finally {
        disposeBatch(batch);
      }
    }
  };
}

export function toyBatch(size: number, k: number): TrainBatch & { readonly condition: { label: tf.Tensor } } {
  const source = rng(77).fork(k);
  return { x0: source.normal([size, 2]), condition: { label: source.integers([size], classes) } };
}

export function disposeBatch({ x0, condition }: TrainBatch): void {
  tf.dispose([x0, ...Object.values(condition ?? {})]);
}

/** Five steps of eight examples, unless told otherwise. */
export function toyOptions(state: TrainState, options: Partial<TrainOptions> = {}): TrainOptions {
  return {
    state,
    reverse: toyReverse,
    loss: simple(),
    batches: toyBatches(8),
    rng: rng(5),
    steps: 5,
    learningRate: constantRate(0.01),
    ...options,
  };
}

/** Runs to the end; the records without their states. */
export async function records(options: TrainOptions): Promise<Omit<StepRecord, 'state'>[]> {
  const all: Omit<StepRecord, 'state'>[] = [];
  for await (const { state, ...record } of train(options)) {
    expect(state).toBe(options.state);
    all.push(record);
  }
  return all;
}

/** Every number of a state, under a name of its own. */
export function numbersOf({ params, ema, slots }: TrainState): Record<string, number[]> {
  return Object.fromEntries(
    Object.entries({ params, ...(ema && { ema }), ...slots }).flatMap(([tree, tensors]) =>
      Object.entries(tensors).map(([name, tensor]) => [`${tree} ${name}`, Array.from(tensor.dataSync())]),
    ),
  );
}
