// A kernel of a backend: registered under the name of an op, it runs in the place of the composed form, in every model. The
// gradient calls kernels too, so that one can be replaced without the other. The contract is `Kernels` of ops.

import '@tensorflow/tfjs-backend-cpu';
import { type Kernels, silu } from '@diffusion-ts/ops';
import { valueAndGrad } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';

type Silu = Kernels['DiffusionSilu'];

const x = tf.tensor1d([-1, 0, 2]);
const composed = silu(x).dataSync();

let calls = 0;
tf.registerKernel({
  kernelName: 'DiffusionSilu',
  backendName: 'cpu',
  kernelFunc: ({ inputs }) => {
    calls += 1;
    const values = (inputs as Silu['inputs']).x.dataSync().map((value) => value / (1 + Math.exp(-value)));
    return tf.tensor1d(values);
  },
});

const fused = silu(x).dataSync();
const agree = fused.every((value, i) => Math.abs(value - composed[i]!) < 1e-6);
console.log(agree, calls); // true 1
const { grads } = valueAndGrad((params) => tf.sum(silu(params.x!)))({ x });
console.log(grads.x!.dataSync()[1]); // 0.5
tf.unregisterKernel('DiffusionSilu', 'cpu');
