import { expectAllClose, expectNoLeak, useBackend } from '@diffusion-ts/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { fromArrays } from '../src/index.js';

beforeAll(() => useBackend('cpu'));

describe('fromArrays', () => {
  it('turns the byte k into k/127.5 − 1', async () => {
    const values = Uint8Array.from({ length: 256 }, (_, k) => k);
    const dataset = fromArrays({ values, shape: [16, 16, 1] });
    const { x0 } = await dataset.batch([0]);
    expect([dataset.size, x0.shape, x0.dtype]).toEqual([1, [1, 16, 16, 1], 'float32']);
    expectAllClose(
      x0,
      Array.from(values, (k) => k / 127.5 - 1),
      { relative: 0, absolute: 1e-7 },
    );
    expect(dataset.range).toEqual([-1, 1]);
  });

  it('leaves floats as they are and states their range', async () => {
    const dataset = fromArrays({ values: Float32Array.of(0.5, -2, 3, 1), shape: [2] });
    expect(dataset.range).toEqual([-2, 3]);
    expect([...(await dataset.batch([1, 0, 1])).x0.dataSync()]).toEqual([3, 1, 0.5, -2, 3, 1]);
  });

  it('gives each example its label', async () => {
    const dataset = fromArrays({
      values: Float32Array.of(10, 20, 30),
      shape: [1],
      labels: [2, 0, 1],
      classes: ['a', 'b', 'c'],
    });
    const { x0, condition } = await dataset.batch([2, 0]);
    const label = condition!.label!;
    expect([...x0.dataSync(), ...label.dataSync()]).toEqual([30, 10, 1, 2]);
    expect([label.dtype, label.shape, dataset.classes]).toEqual(['int32', [2], ['a', 'b', 'c']]);
    const plain = fromArrays({ values: Float32Array.of(1), shape: [1] });
    expect(Object.keys(await plain.batch([0]))).toEqual(['x0']);
  });

  it('leaves only the tensors of the batch, which are the caller’s', async () => {
    const dataset = fromArrays({
      values: new Uint8Array(8),
      shape: [2],
      labels: [0, 0, 0, 0],
      classes: ['a'],
    });
    await expectNoLeak(() => dataset.batch([0, 1]));
  });

  it('refuses values that do not divide into examples', () => {
    expect(() => fromArrays({ values: new Float32Array(7), shape: [2] })).toThrow(
      new RangeError('values has 7 numbers, expected a positive multiple of 2 for examples of shape [2]'),
    );
    expect(() => fromArrays({ values: new Uint8Array(0), shape: [2, 2, 1] })).toThrow('values has 0 numbers');
    expect(() => fromArrays({ values: Float32Array.of(0, Number.NaN), shape: [1] })).toThrow(
      new RangeError('values[1] is NaN, expected a finite number'),
    );
  });

  it('refuses labels that do not fit the examples or the classes', () => {
    const values = new Float32Array(2);
    const classes = ['a', 'b'];
    expect(() => fromArrays({ values, shape: [1], labels: [0], classes })).toThrow(
      new RangeError('labels has 1 labels, expected one for each of the 2 examples'),
    );
    expect(() => fromArrays({ values, shape: [1], labels: [0, 2], classes })).toThrow(
      new RangeError('labels has 2 at 1, expected one of the 2 classes 0 … 1'),
    );
    expect(() => fromArrays({ values, shape: [1], labels: [0, 0.5], classes })).toThrow(
      'labels has 0.5 at 1',
    );
    expect(() => fromArrays({ values, shape: [1], labels: [0, 1] })).toThrow(
      new RangeError('labels came alone, expected labels and classes together'),
    );
  });

  it.each([-1, 2, 0.5])('refuses the index %s', async (index) => {
    await expect(fromArrays({ values: new Float32Array(2), shape: [1] }).batch([0, index])).rejects.toThrow(
      new RangeError(`indices[1] is ${index}, expected a whole number in 0 … 1`),
    );
  });
});
