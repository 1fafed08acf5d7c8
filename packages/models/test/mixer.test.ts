import { mapParams, rng, valueAndGrad } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { type MixerConfig, mixer } from '../src/index.js';

const small: MixerConfig = { length: 3, states: 4, outputs: 2, hidden: 6, layers: 2, timeFeatures: 4 };
const told = (...t: number[]) => tf.tensor1d(t);

it('fills in what is left out, and refuses what is unknown or no count', () => {
  expect(mixer({ length: 3, states: 4 }).config).toEqual({
    length: 3,
    states: 4,
    outputs: 4,
    hidden: 128,
    layers: 3,
    timeFeatures: 32,
  });
  expect(() => mixer({ ...small, depth: 2 } as MixerConfig)).toThrow(
    new RangeError('config has the unknown key "depth"'),
  );
  expect(() => mixer({ ...small, timeFeatures: 1 })).toThrow(
    new RangeError('timeFeatures must be a whole number from 2 on, not 1'),
  );
});

onEachBackend(() => {
  const network = mixer(small);
  const params = () =>
    Object.fromEntries(
      Object.entries(network.shapes).map(([name, shape]) => [name, rng(7).fork(name).normal(shape)]),
    );
  const x = (...rows: number[][]) => tf.tensor2d(rows);

  it('a fresh one gives zeros, a trained one logits for each place that every place and the time have a say in', () => {
    const fresh = network.init(rng(0));
    expectAllClose(network.apply(fresh, x([0, 1, 2]), told(3)), new Array(6).fill(0));
    const awake = params();
    const base = network.apply(awake, x([0, 1, 2]), told(3)).dataSync();
    const changed = [x([3, 1, 2]), x([0, 3, 2]), x([0, 1, 3])].map((x) =>
      network.apply(awake, x, told(3)).dataSync(),
    );
    changed.push(network.apply(awake, x([0, 1, 2]), told(4)).dataSync());
    for (const other of changed)
      for (const [i, value] of other.entries()) expect(Math.abs(value - base[i]!)).toBeGreaterThan(1e-6);
  });

  it('says the same of an example whatever it is batched with', () => {
    const awake = params();
    const both = network.apply(awake, x([0, 1, 2], [3, 3, 0]), told(3, 1));
    const alone = [network.apply(awake, x([0, 1, 2]), told(3)), network.apply(awake, x([3, 3, 0]), told(1))];
    expectAllClose(both, tf.concat(alone), { relative: 1e-4, absolute: 1e-4 });
  });

  it('has a gradient for every parameter', () => {
    const { grads } = valueAndGrad((params) =>
      tf.sum(tf.square(network.apply(params, x([0, 1, 2]), told(3)))),
    )(params());
    const sizes = Object.values(mapParams(grads, (grad) => tf.sum(tf.abs(grad)))).map(
      (sum) => sum.dataSync()[0]!,
    );
    expect(sizes.every((size) => size > 0)).toBe(true);
    expect(sizes).toHaveLength(Object.keys(network.shapes).length);
  });

  it('refuses sequences of another length, and leaves no tensor behind', async () => {
    const awake = params();
    expect(() => network.apply(awake, x([0, 1]), told(3))).toThrow(
      new RangeError('xt must have shape [batch, 3], not [1,2]'),
    );
    const [xt, t] = [x([0, 1, 2]), told(3)];
    await expectNoLeak(() => network.apply(awake, xt, t));
  });
});
