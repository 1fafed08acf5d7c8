import { rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { useWasm } from '../src/index.js';

const draws = (seed: number, label: number, first: number, shape: number[]): Float32Array[] =>
  tf.tidy(() => {
    const source = rng(seed).fork(label).rows(first);
    return [source.normal(shape), source.uniform(shape), source.normal(shape)].map(
      (tensor) => tensor.dataSync() as Float32Array,
    );
  });

it('draws the very bits that tensor draws in JavaScript, whatever the seed, row, shape and draw', () =>
  fc.assert(
    fc.asyncProperty(
      fc.maxSafeNat(),
      fc.maxSafeNat(),
      fc.nat({ max: 2 ** 31 }),
      fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 4 }),
      async (seed, label, first, shape) => {
        await tf.setBackend('cpu');
        const expected = draws(seed, label, first, shape);
        await useWasm();
        expect(draws(seed, label, first, shape)).toEqual(expected);
      },
    ),
    { numRuns: 50 },
  ));

it('draws a quarter of a million normal numbers bit for bit', async () => {
  await tf.setBackend('cpu');
  const expected = tf.tidy(() => rng(7).normal([500, 500]).dataSync());
  await useWasm();
  const drawn = tf.tidy(() => rng(7).normal([500, 500]).dataSync());
  expect(Buffer.from(drawn.buffer).equals(Buffer.from(expected.buffer))).toBe(true);
});
