import { type Params, rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { type AttentionOptions, attentionBlock } from '../src/attention-block.js';
import type { Declare } from '../src/model.js';

const options: AttentionOptions = { channels: 6, headDim: 2, groups: null, epsilon: 1e-5, outputScale: 1 };

/** A block with random parameters, some of them replaced. */
function blockOf(overrides: Partial<AttentionOptions>, replaced: Params = {}) {
  const params: Record<string, tf.Tensor> = {};
  const declare: Declare = (name, shape, initial) => {
    params[name] = replaced[name] ?? initial(rng(1).fork(name), [...shape]);
    return <T>(p: Params) => p[name] as T;
  };
  const block = attentionBlock(declare, 'a', { ...options, ...overrides });
  return { params, apply: (x: tf.Tensor4D) => block(params, x) };
}

onEachBackend(() => {
  it('moves with the pixels: reordering them reorders the result', () => {
    tf.tidy(() => {
      const { apply } = blockOf({ groups: 3 });
      const x = rng(2).normal([2, 2, 3, 6]) as tf.Tensor4D;
      expectAllClose(apply(tf.reverse(x, [1, 2])), tf.reverse(apply(x), [1, 2]), { absolute: 1e-6 });
    });
  });

  it('is x plus the projected mean of the values, where no query prefers a pixel', () => {
    tf.tidy(() => {
      const zero = { 'a.to_q.weight': tf.zeros([6, 6]), 'a.to_q.bias': tf.zeros([6]) };
      const { params, apply } = blockOf({ outputScale: 4 }, zero);
      const x = rng(2).normal([1, 2, 2, 6]) as tf.Tensor4D;
      const mean = tf.mean(tf.reshape(x, [4, 6]), 0, true);
      const project = (name: string, y: tf.Tensor) =>
        tf.add(
          tf.matMul(y as tf.Tensor2D, params[`a.${name}.weight`] as tf.Tensor2D),
          params[`a.${name}.bias`]!,
        );
      const added = project('to_out.0', project('to_v', mean));
      expectAllClose(apply(x), tf.div(tf.add(x, tf.reshape(added, [1, 1, 1, 6])), 4));
    });
  });

  it('keeps the heads apart: a head reads its own queries and keys only', () => {
    tf.tidy(() => {
      // The output is the raw heads: no shortcut is left once x is taken away.
      const identity = { 'a.to_out.0.weight': tf.eye(6), 'a.to_out.0.bias': tf.zeros([6]) };
      const heads = (keyShift: number) => {
        const first = tf.tensor1d([1, 1, 0, 0, 0, 0]);
        const { params, apply } = blockOf({}, identity);
        const key = tf.mul(params['a.to_k.weight']!, tf.add(1, tf.mul(first, keyShift)));
        const x = rng(2).normal([1, 2, 2, 6]) as tf.Tensor4D;
        const changed = blockOf({}, { ...identity, 'a.to_k.weight': key });
        expect(apply(x).shape).toEqual(x.shape);
        return tf.sub(changed.apply(x), x).arraySync() as number[][][][];
      };
      const before = heads(0).flat(2);
      const after = heads(5).flat(2);
      before.forEach((pixel, i) => {
        expect(after[i]!.slice(2)).toEqual(pixel.slice(2));
        expect(Math.abs(after[i]![0]! - pixel[0]!)).toBeGreaterThan(1e-4);
      });
    });
  });

  it('takes as many heads as fit, and the rest of the channels through the projections alone', () => {
    tf.tidy(() => {
      const { params } = blockOf({ headDim: 4 });
      expect(params['a.to_q.weight']!.shape).toEqual([6, 4]);
      expect(params['a.to_out.0.weight']!.shape).toEqual([4, 6]);
    });
  });

  it('leaves no tensors behind', async () => {
    const { params, apply } = blockOf({ groups: 2 });
    const x = rng(2).normal([1, 2, 2, 6]) as tf.Tensor4D;
    await expectNoLeak(() => apply(x));
    tf.dispose([x, params]);
  });
});
