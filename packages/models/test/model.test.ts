import { type Condition, rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it, vi } from 'vitest';
import { ones, zeros } from '../src/initial.js';
import { model } from '../src/model.js';

/** x · scale + shift, shifted by the sum of the text of each example, and by its step. */
const network = model({
  config: {},
  accepts: {
    text: { shape: [null, 3], dtype: 'float32' },
    step: { shape: [], dtype: 'int32', below: 10 },
  },
  checkShape: () => {},
  build: (declare) => {
    const scale = declare('scale', [2], ones, [0]);
    const shift = declare('shift', [2], zeros);
    return (params, xt, told, { text, step }) => {
      const known = tf.addN([tf.sum(text!, [1, 2]), tf.cast(step!, 'float32'), tf.cast(told, 'float32')]);
      return tf.add(tf.add(tf.mul(xt, scale(params)), shift(params)), tf.reshape(known, [-1, 1]));
    };
  },
});

const text = (length: number) => tf.ones([2, length, 3]);
const step = () => tf.tensor1d([3, 9], 'int32');

it('the layouts are those of the parameters that declare one', () => {
  expect(network.shapes).toEqual({ scale: [2], shift: [2] });
  expect(network.layouts).toEqual({ scale: [0] });
});

onEachBackend(() => {
  it('a condition may hold tensors of any rank and type, and sizes that are left open vary', () => {
    tf.tidy(() => {
      const params = network.init(rng(0));
      const x = tf.tensor2d([1, 2, 3, 4], [2, 2]);
      const told = tf.tensor1d([0.5, 0.25]);
      const y = (length: number) => network.apply(params, x, told, { text: text(length), step: step() });
      expectAllClose(y(1), [7.5, 8.5, 15.25, 16.25]);
      expectAllClose(y(4), [16.5, 17.5, 24.25, 25.25]);
    });
  });

  it('a condition of another name, type or shape is refused with a sentence, before a tensor is made', () => {
    const params = network.init(rng(0));
    const x = tf.zeros([2, 2]);
    const t = tf.tensor1d([1, 2]);
    const t3 = tf.tensor1d([1, 2, 3]);
    const flags = tf.tensor1d([true, false], 'bool');
    const good = { text: text(2), step: step() };
    const [one, wide] = [tf.zeros([1, 2, 3]), tf.zeros([2, 2, 4])];
    const before = tf.memory().numTensors;
    const refused = (told: tf.Tensor1D, condition: Condition | undefined, message: string) =>
      expect(() => network.apply(params, x, told, condition)).toThrow(new RangeError(message));
    refused(t, undefined, 'condition.text: this network needs it, float32 of shape [2,any,3]');
    refused(t, { text: good.text }, 'condition.step: this network needs it, int32 of shape [2]');
    refused(t, { ...good, step: t }, 'condition.step must be int32, not float32');
    refused(t, { ...good, text: good.step }, 'condition.text must be float32, not int32');
    refused(
      t,
      { ...good, text: wide },
      'condition.text must have shape [2,any,3], one per example of xt, not [2,2,4]',
    );
    refused(
      t,
      { ...good, text: one },
      'condition.text must have shape [2,any,3], one per example of xt, not [1,2,3]',
    );
    refused(
      t,
      { ...good, text: t },
      'condition.text must have shape [2,any,3], one per example of xt, not [2]',
    );
    refused(t3, good, 'told must have shape [2], one per example of xt, not [3]');
    refused(flags, good, 'told must be float32 or int32, not bool');
    expect(tf.memory().numTensors).toBe(before);
    tf.dispose([params, x, t, flags, t3, good, one, wide] as tf.TensorContainer);
  });

  it('no number of a condition is read back, and no tensor left behind', async () => {
    const params = network.init(rng(0));
    const x = tf.zeros([2, 2]);
    const told = tf.zeros([2]) as tf.Tensor1D;
    const condition = { text: text(2), step: step() };
    const reads = [vi.spyOn(tf.Tensor.prototype, 'dataSync'), vi.spyOn(tf.Tensor.prototype, 'data')];
    await expectNoLeak(() => network.apply(params, x, told, condition));
    for (const read of reads) {
      expect(read).not.toHaveBeenCalled();
      read.mockRestore();
    }
    tf.dispose([params, x, told, condition] as tf.TensorContainer);
  });
});
