import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { sinusoid } from '../src/time-embedding.js';

const features = (times: number[], options: Parameters<typeof sinusoid>[1]) => {
  const t = tf.tensor1d(times);
  const waves = sinusoid(t, options);
  const values = waves.arraySync();
  tf.dispose([t, waves]);
  return values;
};

onEachBackend(() => {
  it('is sines then cosines of t at frequencies from 1 downwards, one row per example', () => {
    const [zero, seven] = features([0, 7], { size: 6, cosineFirst: false, shift: 0 });
    const omegas = [1, 10000 ** (-1 / 3), 10000 ** (-2 / 3)];
    expectAllClose(zero!, [0, 0, 0, 1, 1, 1]);
    expectAllClose(seven!, [...omegas.map((w) => Math.sin(7 * w)), ...omegas.map((w) => Math.cos(7 * w))]);
  });

  it('ends at the frequency 1/10000 where the shift is 1', () => {
    const [row] = features([999], { size: 4, cosineFirst: false, shift: 1 });
    expectAllClose(row!, [Math.sin(999), Math.sin(0.0999), Math.cos(999), Math.cos(0.0999)]);
  });

  it('takes times between whole ones, and negative ones', () => {
    const [between, negative] = features([0.25, -2.5], { size: 4, cosineFirst: false, shift: 0 });
    expectAllClose(between!, [Math.sin(0.25), Math.sin(0.0025), Math.cos(0.25), Math.cos(0.0025)]);
    expectAllClose(negative!, [Math.sin(-2.5), Math.sin(-0.025), Math.cos(-2.5), Math.cos(-0.025)]);
  });

  it('puts cosines first if asked, and a zero last where the size is odd', () => {
    const [row] = features([3], { size: 5, cosineFirst: true, shift: 0 });
    expectAllClose(row!, [Math.cos(3), Math.cos(0.03), Math.sin(3), Math.sin(0.03), 0]);
    expect(row).toHaveLength(5);
  });

  it('leaves no tensors behind', () =>
    expectNoLeak(() => {
      const t = tf.tensor1d([1, 2], 'int32');
      const waves = sinusoid(t, { size: 5, cosineFirst: true, shift: 0 });
      t.dispose();
      return waves;
    }));
});
