import { mapParams, type Params, zipParams } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Optimizer } from '../src/index.js';

/** Gradient descent with momentum, as somebody else would write it. */
export function momentum(factor: number): Optimizer {
  return {
    init: (params) => ({ velocity: mapParams(params, (param) => tf.zerosLike(param)) }),
    update({ params, grads, slots, learningRate }) {
      const velocity = zipParams(slots.velocity!, grads, (v, grad) => tf.add(tf.mul(v, factor), grad));
      const next = zipParams(params, velocity, (param, v) => tf.sub(param, tf.mul(v, learningRate)));
      return { params: next, slots: { velocity }, norms: tf.stack([norm(grads), norm(next)]) as tf.Tensor1D };
    },
  };
}

function norm(tree: Params): tf.Tensor {
  return tf.sqrt(tf.addN(Object.values(tree).map((tensor) => tf.sum(tf.square(tensor)))));
}
