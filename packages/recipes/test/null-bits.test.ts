import { fromArrays } from '@diffusion-ts/datasets';
import { useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { nullBits, sequencesOf } from '../src/index.js';
import { tiny } from './settings.js';

beforeAll(() => useBackend('cpu'));

it('the null model of heartbeats tosses a coin of one fifth twenty times: 14.4386 bits', async () => {
  const data = { kind: 'heartbeat', size: 300, seed: 0 } as const;
  const before = tf.memory().numTensors;
  const bits = await nullBits(data, sequencesOf(data, 'test'));
  expect(20 * bits).toBeCloseTo(14.4386, 3);
  expect(tf.memory().numTensors).toBe(before);
});

it('that of numbers is an isotropic Gaussian: ½ log₂ 2πe σ², σ² the mean of the variances', async () => {
  const { data } = tiny();
  const points = fromArrays({ values: Float32Array.of(1, 10, 3, 10, 100, 100), shape: [2] });
  // The first two: variances 1 and 0.
  expect(await nullBits(data, points, 2)).toBeCloseTo(Math.log2(2 * Math.PI * Math.E * 0.5) / 2, 6);
});

it('of images it is what that Gaussian gives to a grey value, as the bound on them counts: 127.5 of them to a unit', async () => {
  const black = fromArrays({ values: Float32Array.of(-1, 1, 1, -1), shape: [1, 2, 1] });
  const expected = Math.log2(2 * Math.PI * Math.E) / 2 + Math.log2(127.5);
  expect(await nullBits({ kind: 'mnist', labels: false }, black)).toBeCloseTo(expected, 6);
});
