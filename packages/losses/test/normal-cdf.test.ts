import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { logitOfErfCdf, logitOfTanhCdf } from '../src/normal-cdf.js';
import { upperTail } from './upper-tail.js';

const zs = Array.from({ length: 161 }, (_, i) => (i - 80) / 10);
const logit = (z: number): number => Math.log(upperTail(-z)) - Math.log(upperTail(z));

onEachBackend(() => {
  it('the exact CDF is ½ (1 + erf(z/√2)) to the last digits of float32, far into both tails', () => {
    expectAllClose(logitOfErfCdf(tf.tensor1d(zs)), zs.map(logit), { relative: 1e-6, absolute: 1e-7 });
  });

  it('the tanh approximation is the formula with 0.044715', () => {
    const cdf = zs.map((z) => 0.5 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3))));
    expectAllClose(tf.sigmoid(logitOfTanhCdf(tf.tensor1d(zs))), cdf);
  });

  it('the tanh approximation is off by 3e-4 at most', () => {
    const approximate = tf.sigmoid(logitOfTanhCdf(tf.tensor1d(zs))).dataSync();
    const errors = zs.map((z, i) => Math.abs(approximate[i]! - upperTail(-z)));
    expect(Math.max(...errors)).toBeLessThan(3e-4);
    expect(Math.max(...errors)).toBeGreaterThan(1e-4);
  });

  it('leaves no tensor behind', async () => {
    const z = tf.tensor1d(zs);
    await expectNoLeak(() => logitOfErfCdf(z));
    await expectNoLeak(() => logitOfTanhCdf(z));
  });
});
