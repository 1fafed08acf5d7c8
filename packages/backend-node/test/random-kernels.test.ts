import { type Rng, rng } from '@diffusion-ts/tensor';
import { expectNoLeak } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import { useNode } from '../src/index.js';
import { describeInstalled } from './installed.js';

type Draw = (source: Rng) => tf.Tensor[];

/** The bytes of what is drawn on a backend, the sign of a zero included. */
async function bytes(backend: 'cpu' | 'tensorflow', source: () => Rng, draw: Draw): Promise<Buffer[]> {
  await (backend === 'cpu' ? tf.setBackend('cpu') : useNode());
  return tf.tidy(() => draw(source()).map((tensor) => Buffer.from(tensor.dataSync().slice().buffer)));
}

async function expectSameBits(source: () => Rng, draw: Draw): Promise<void> {
  const expected = await bytes('cpu', source, draw);
  const drawn = await bytes('tensorflow', source, draw);
  expect(drawn.map((numbers, i) => numbers.equals(expected[i]!))).toEqual(expected.map(() => true));
}

describeInstalled('the random numbers drawn in TensorFlow', () => {
  beforeAll(async () => {
    await useNode({ threads: 2 });
  });

  it('are drawn by our kernels', () => {
    for (const name of ['DiffusionNormal', 'DiffusionUniform']) {
      expect(tf.getKernel(name, 'tensorflow')).toBeDefined();
    }
  });

  it.each([[[0, 3]], [[3, 0]], [[0]]])('are none of shape %j', async (shape) => {
    const drawn = rng(1).normal(shape);
    expect(drawn.shape).toEqual(shape);
    expect([...(await drawn.data())]).toEqual([]);
    drawn.dispose();
  });

  it('are those of JavaScript to the bit, whatever the seed, fork, row, shape and draw', () =>
    fc.assert(
      fc.asyncProperty(
        fc.maxSafeNat(),
        fc.maxSafeNat(),
        fc.nat({ max: 2 ** 31 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 4 }),
        (seed, label, first, shape) =>
          expectSameBits(
            () => rng(seed).fork(label).rows(first),
            (source) => [source.normal(shape), source.uniform(shape), source.normal(shape)],
          ),
      ),
      { numRuns: 100 },
    ));

  it.each<[string, number[]]>([
    ['a hundred thousand in one row', [1, 100_001]],
    ['a hundred thousand in rows of their own', [100_001]],
    ['a hundred thousand in rows that fill no vector', [701, 11, 13]],
  ])('are those of JavaScript to the bit, drawn by several threads: %s', (_name, shape) =>
    expectSameBits(
      () => rng(7),
      (source) => [source.normal(shape), source.uniform(shape)],
    ),
  );

  it('are the same rows where a draw starts at a later one', async () => {
    await useNode();
    const [whole, rest] = tf.tidy(() => [
      rng(7).normal([64, 9]).dataSync().slice(27),
      rng(7).rows(3).normal([61, 9]).dataSync(),
    ]);
    expect(rest).toEqual(whole);
  });

  it('leave no tensor behind', async () => {
    await useNode();
    const before = tf.backend().numDataIds();
    await expectNoLeak(() => [rng(1).normal([3, 2]), rng(1).uniform([])]);
    expect(tf.backend().numDataIds()).toBe(before);
  });
});
