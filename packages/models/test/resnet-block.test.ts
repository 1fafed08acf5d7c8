import { type Params, rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import type { Declare } from '../src/model.js';
import { type ResnetOptions, resnetBlock } from '../src/resnet-block.js';

const options: ResnetOptions = {
  inputs: 4,
  outputs: 4,
  timeSize: 3,
  groups: 2,
  epsilon: 1e-5,
  timeScaleShift: 'default',
  dropout: 0,
  outputScale: 1,
};

/** A block with random parameters, some of them replaced. */
function blockOf(overrides: Partial<ResnetOptions>, replaced: Params = {}) {
  const params: Record<string, tf.Tensor> = {};
  const declare: Declare = (name, shape, initial) => {
    params[name] = replaced[name] ?? initial(rng(1).fork(name), [...shape]);
    return <T>(p: Params) => p[name] as T;
  };
  const block = resnetBlock(declare, 'r', { ...options, ...overrides });
  return { params, block };
}

onEachBackend(() => {
  const inputs = () => ({
    x: rng(2).normal([2, 3, 3, 4]) as tf.Tensor4D,
    embedding: rng(3).normal([2, 3]) as tf.Tensor2D,
  });

  it('is the shortcut over the output scale, where the second convolution is zero', () => {
    tf.tidy(() => {
      const zero = { 'r.conv2.weight': tf.zeros([3, 3, 4, 4]), 'r.conv2.bias': tf.zeros([4]) };
      const { params, block } = blockOf({ outputScale: 2 }, zero);
      const { x, embedding } = inputs();
      expectAllClose(block(params, x, embedding), tf.div(x, 2));
    });
  });

  it('projects the shortcut pixel by pixel where the channels change', () => {
    tf.tidy(() => {
      const zero = { 'r.conv2.weight': tf.zeros([3, 3, 6, 6]), 'r.conv2.bias': tf.zeros([6]) };
      const { params, block } = blockOf({ outputs: 6 }, zero);
      const { x, embedding } = inputs();
      const weight = tf.reshape(params['r.conv_shortcut.weight']!, [4, 6]) as tf.Tensor2D;
      const projected = tf.matMul(tf.reshape(x, [18, 4]) as tf.Tensor2D, weight);
      expectAllClose(
        block(params, x, embedding),
        tf.reshape(tf.add(projected, params['r.conv_shortcut.bias']!), [2, 3, 3, 6]),
      );
    });
  });

  it('adds the time before a normalisation: the same to all channels of a group is without effect', () => {
    tf.tidy(() => {
      const { params, block } = blockOf({ groups: 1 });
      const { x, embedding } = inputs();
      const shifted = { ...params, 'r.time_emb_proj.bias': tf.add(params['r.time_emb_proj.bias']!, 7) };
      expectAllClose(block(shifted, x, embedding), block(params, x, embedding), { absolute: 1e-4 });
    });
  });

  it('scales first and shifts second with scale_shift: a scale of −1 and a shift of s leave silu(s) to convolve', () => {
    tf.tidy(() => {
      const shift = 0.7;
      const constant = {
        'r.time_emb_proj.weight': tf.zeros([3, 8]),
        'r.time_emb_proj.bias': tf.tensor1d([-1, -1, -1, -1, shift, shift, shift, shift]),
      };
      const { params, block } = blockOf({ timeScaleShift: 'scale_shift' }, constant);
      const { x, embedding } = inputs();
      const silu = shift / (1 + Math.exp(-shift));
      const middle = tf.add(
        tf.mul(tf.sum(params['r.conv2.weight']!, [0, 1, 2]), silu),
        params['r.conv2.bias']!,
      );
      const added = tf.sub(block(params, x, embedding), x);
      // The centre pixel of 3 × 3 sees no padding.
      expectAllClose(tf.slice(added, [0, 1, 1, 0], [1, 1, 1, 4]), middle, { absolute: 1e-5 });
    });
  });

  it('drops before the second convolution, the same for the same source, and not without one', () => {
    tf.tidy(() => {
      const { params, block } = blockOf({ dropout: 0.5 });
      const { x, embedding } = inputs();
      const source = rng(4);
      const dropped = block(params, x, embedding, source).dataSync();
      expect(block(params, x, embedding, source).dataSync()).toEqual(dropped);
      expect(block(params, x, embedding, rng(5)).dataSync()).not.toEqual(dropped);
      const { block: plain } = blockOf({});
      expect(block(params, x, embedding).dataSync()).toEqual(plain(params, x, embedding).dataSync());
      // The second convolution is linear, so the mean over many masks is the block without dropout.
      const masks = Array.from({ length: 150 }, (_, i) => block(params, x, embedding, rng(i)));
      const mean = tf.div(tf.addN(masks), masks.length);
      expectAllClose(mean, plain(params, x, embedding), { absolute: 0.2 });
    });
  });

  it('leaves no tensors behind', async () => {
    const { params, block } = blockOf({ outputs: 6, timeScaleShift: 'scale_shift', dropout: 0.5 });
    const { x, embedding } = inputs();
    await expectNoLeak(() => block(params, x, embedding, rng(1)));
    tf.dispose([params, x, embedding]);
  });
});
