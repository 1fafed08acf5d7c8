import { expectNoLeak, useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { binarised, disposeBatch, fromArrays } from '../src/index.js';

beforeAll(() => useBackend('cpu'));
const grey = fromArrays({
  values: Uint8Array.of(0, 127, 128, 255),
  shape: [2],
  labels: [1, 0],
  classes: ['a', 'b'],
});

it('is 1 above the middle of the range and 0 below, and keeps its classes', async () => {
  const bits = binarised(grey);
  const { x0, condition } = await bits.batch([0, 1]);
  expect([...x0.dataSync()]).toEqual([0, 0, 1, 1]);
  expect([...condition!.label!.dataSync()]).toEqual([1, 0]);
  expect([bits.range, bits.size, bits.shape, bits.classes]).toEqual([[0, 1], 2, [2], ['a', 'b']]);
  tf.dispose([x0, condition!]);
});

it('leaves no tensor behind', async () => {
  await expectNoLeak(async () => disposeBatch(await binarised(grey).batch([1])));
});
