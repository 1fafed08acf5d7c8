import { unet } from '@diffusion-ts/models';
import { countParams, disposeParams, mapParams, rng, valueAndGrad } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { DIGIT_MODEL } from '../model/digit-model.js';

const TOLERANCE = 2e-3;

/**
 * Takes the loss and every gradient of the digits' U-Net on two backends and compares them.
 * @throws Error where they differ by more than 0.2 % of the gradient's norm.
 */
export async function sameAnswers(candidate: string, reference: string): Promise<string> {
  const expected = await gradients(reference);
  const actual = await gradients(candidate);
  let difference = 0;
  let norm = 0;
  expected.forEach((value, i) => {
    difference += (value - actual[i]!) ** 2;
    norm += value ** 2;
  });
  const relative = Math.sqrt(difference / norm);
  if (!(relative < TOLERANCE)) {
    throw new Error(`its gradients are off by ${(100 * relative).toPrecision(2)} %`);
  }
  return `its gradients agree with WebAssembly's to ${relative.toExponential(0)}`;
}

async function gradients(backend: string): Promise<Float32Array> {
  await tf.setBackend(backend);
  const { init, apply } = unet(DIGIT_MODEL);
  const random = rng(1);
  // Fresh networks end in zeros, and would hide every gradient but the last.
  const params = mapParams(init(random), (tensor, name) =>
    tf.tidy(() => tf.add(tensor, tf.mul(0.05, random.fork(`test ${name}`).normal(tensor.shape)))),
  );
  const { value, grads } = valueAndGrad((tree) =>
    tf.tidy(() => {
      const xt = random.fork('xt').normal([2, 28, 28, 1]);
      const labels = tf.tensor1d([3, 7], 'int32');
      return tf.mean(tf.square(apply(tree, xt, tf.tensor1d([100, 900], 'int32'), { labels })));
    }),
  )(params);
  const all = new Float32Array(countParams(grads) + 1);
  all.set(await value.data());
  let at = 1;
  for (const grad of Object.values(grads)) {
    all.set(await grad.data(), at);
    at += grad.size;
  }
  value.dispose();
  disposeParams(params);
  disposeParams(grads);
  return all;
}
