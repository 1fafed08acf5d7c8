import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { reverseProcess } from '@diffusion-ts/reverse-process';
import { linear } from '@diffusion-ts/schedules';
import { type Params, rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { ReverseOf, TrainBatch, TrainState } from '../src/index.js';

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

export const toyReverse: ReverseOf = (params) =>
  reverseProcess({
    forward,
    denoiser: (xt, t, condition) => {
      const labels = condition?.labels ?? tf.zeros([t.shape[0]], 'int32');
      const oneHot = (indices: tf.Tensor1D, depth: number): tf.Tensor2D =>
        tf.cast(tf.oneHot(indices, depth), 'float32') as tf.Tensor2D;
      const features = tf.concat([xt as tf.Tensor2D, oneHot(t, steps), oneHot(labels, classes + 1)], 1);
      const hidden = tf.tanh(tf.add(tf.matMul(features, params['hidden.weight']!), params['hidden.bias']!));
      return tf.matMul(hidden as tf.Tensor2D, params['out.weight'] as tf.Tensor2D);
    },
    predicts: 'epsilon',
    variance: 'fixedSmall',
  });

/** Batch k is a function of k; each is freed when the next one is asked for. */
export function toyBatches(size: number): (start: number) => AsyncGenerator<TrainBatch> {
  return async function* (start) {
    for (let k = start; ; k++) {
      const source = rng(77).fork(k);
      const batch = { x0: source.normal([size, 2]), labels: source.integers([size], classes) as tf.Tensor1D };
      try {
        yield batch;
      } finally {
        tf.dispose([batch.x0, batch.labels]);
      }
    }
  };
}

/** Every number of a state, under a name of its own. */
export function numbersOf({ params, ema, m, v }: TrainState): Record<string, number[]> {
  return Object.fromEntries(
    Object.entries({ params, ema: ema ?? {}, m, v }).flatMap(([tree, tensors]) =>
      Object.entries(tensors).map(([name, tensor]) => [`${tree} ${name}`, Array.from(tensor.dataSync())]),
    ),
  );
}
