import * as tf from '@tensorflow/tfjs-core';
import { roomOf, type WasmBackend } from './room.js';
import { expectFloats, expectShape, sizeOf } from './shapes.js';

const kernelName = 'DiffusionSoftmaxGrad';

/** dx = y (dy − Σ dy y) over the last axis. */
export const softmaxGradientKernel: tf.KernelConfig = {
  kernelName,
  backendName: 'wasm',
  kernelFunc: ({ inputs, backend }) => {
    const { dy, y } = inputs as { dy: tf.TensorInfo; y: tf.TensorInfo };
    expectFloats(kernelName, { dy, y });
    if (y.shape.length === 0) throw new RangeError(`${kernelName}: y must be […, columns], not a scalar`);
    expectShape(kernelName, 'dy', dy.shape, y.shape);
    const { kernels, address, output, attempt } = roomOf(backend as WasmBackend);
    return attempt(() => {
      const dx = output(y.shape);
      const columns = y.shape.at(-1)!;
      const rows = sizeOf(y.shape.slice(0, -1));
      kernels.softmaxGradient(address(dy), address(y), address(dx), rows, columns);
      return dx;
    });
  },
};

/**
 * Gives tfjs's softmax y a gradient, dx = y (dy − Σ dy y), that is one kernel on wasm. Gradients are registered for all
 * backends together: on the others it is composed, as tfjs's own is. It has a gradient itself.
 */
export function registerSoftmaxGradient(): void {
  tf.registerKernel(softmaxGradientKernel);
  tf.registerGradient({
    kernelName,
    inputsToSave: ['dy', 'y'],
    gradFunc: (g, [dy, y]) => ({
      dy: () => softmaxGradient(g as tf.Tensor, y!),
      y: () =>
        tf.sub(tf.mul(g as tf.Tensor, tf.sub(dy!, rowSum(dy!, y!))), tf.mul(dy!, rowSum(g as tf.Tensor, y!))),
    }),
  });
  tf.registerGradient({
    kernelName: tf.Softmax,
    outputsToSave: [true],
    gradFunc: (dy, [y]) => ({ logits: () => softmaxGradient(dy as tf.Tensor, y!) }),
  });
}

function softmaxGradient(dy: tf.Tensor, y: tf.Tensor): tf.Tensor {
  if (tf.getBackend() === 'wasm') return tf.engine().runKernel(kernelName, { dy, y });
  return tf.mul(tf.sub(dy, rowSum(dy, y)), y);
}

/** Σ a b over the last axis, the only one that tfjs has a softmax over. */
function rowSum(a: tf.Tensor, b: tf.Tensor): tf.Tensor {
  return tf.sum(tf.mul(a, b), -1, true);
}
