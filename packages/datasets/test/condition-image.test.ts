import { rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import {
  conditionImage,
  disposeBatch,
  fromArrays,
  keptOf,
  lowResolution,
  withConditionImage,
} from '../src/index.js';

beforeAll(() => useBackend('cpu'));

const halves = lowResolution(2);
const images = fromArrays({
  values: Uint8Array.from({ length: 6 * 16 }, (_, i) => (37 * i) % 256),
  shape: [4, 4, 1],
  labels: [0, 1, 0, 1, 0, 1],
  classes: ['a', 'b'],
});

/** The level that each example was told, and what it was told beside it. */
function parted(image: tf.Tensor): { levels: number[]; image: tf.Tensor } {
  const [seen, level] = tf.split(image, 2, 3) as [tf.Tensor, tf.Tensor];
  return { levels: tf.max(level, [1, 2, 3]).arraySync() as number[], image: seen };
}

it('an image is told beside the label: what is kept of it, laid out in its own pixels', async () => {
  const told = withConditionImage(images, { degradation: halves });
  const { x0, condition } = await told.batch([4, 1]);
  expect([...condition!.label!.dataSync()]).toEqual([0, 1]);
  expectAllClose(condition!.image!, halves.enlarge(halves.reduce(x0 as tf.Tensor4D)), { absolute: 0 });
  expect([told.size, told.shape, told.classes]).toEqual([6, [4, 4, 1], ['a', 'b']]);
});

it('to be tested on it is told no noise, and that there is none', async () => {
  const plain = await withConditionImage(images, { degradation: halves }).batch([2, 3]);
  const { condition } = await withConditionImage(images, { degradation: halves, noise: 2 }).batch([2, 3]);
  const { levels, image } = parted(condition!.image!);
  expect(levels).toEqual([0, 0]);
  expectAllClose(image, plain.condition!.image!, { absolute: 0 });
});

it('to learn from, its noise has the deviation that is told, uniform up to the one that is asked for', async () => {
  const size = 4000;
  const grey = fromArrays({ values: new Float32Array(size * 16), shape: [4, 4, 1] });
  const told = withConditionImage(grey, { degradation: halves, noise: 2 });
  const { condition } = await told.batch([...Array(size).keys()], rng(3));
  const { levels, image } = parted(condition!.image!);
  const plain = halves.enlarge(halves.reduce(tf.zeros([1, 4, 4, 1])));
  const noise = tf.sub(image, plain);
  // Four pixels of one value are one draw.
  const blocks = tf.avgPool(noise as tf.Tensor4D, 2, 2, 'valid');
  const drawn = tf.reshape(blocks, [size, 4]).arraySync() as number[][];
  const z = drawn.flatMap((row, i) => row.map((value) => value / levels[i]!));
  const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  // Four standard errors, of a normal number, of its square, and of a uniform one on [0, 2] and its square.
  expect(Math.abs(mean(z))).toBeLessThan(4 / Math.sqrt(z.length));
  expect(Math.abs(mean(z.map((x) => x * x)) - 1)).toBeLessThan(4 * Math.sqrt(2 / z.length));
  expect(Math.abs(mean(levels) - 1)).toBeLessThan(4 * Math.sqrt(1 / 3 / size));
  expect(Math.abs(mean(levels.map((x) => x * x)) - 4 / 3)).toBeLessThan(4 * Math.sqrt(64 / 45 / size));
  expect(new Set(z.map((x) => x.toPrecision(6))).size).toBeGreaterThan(0.99 * z.length);
});

it('depends on the source that a batch is drawn with, and on the row in it', async () => {
  const told = withConditionImage(images, { degradation: halves, noise: 1 });
  const draw = async (indices: number[], random: ReturnType<typeof rng>) =>
    (await told.batch(indices, random)).condition!.image!.arraySync() as number[][][][];
  expect(await draw([0, 1], rng(1))).toEqual(await draw([0, 1], rng(1)));
  expect(await draw([0, 1], rng(1))).not.toEqual(await draw([0, 1], rng(2)));
});

it('one level for all is that of each, and row i of the noise does not change with the batch', () =>
  tf.tidy(() => {
    const kept = rng(1).normal([3, 2, 2, 1]) as tf.Tensor4D;
    const all = conditionImage(halves, kept, { level: 0.5, rng: rng(5) });
    const each = conditionImage(halves, kept, { level: Float64Array.of(0.5, 0.5, 0.5), rng: rng(5) });
    expectAllClose(all, each, { absolute: 0 });
    const last = conditionImage(halves, tf.slice(kept, [2], [1]), { level: 0.5, rng: rng(5).rows(2) });
    expectAllClose(last, tf.slice(all, [2], [1]), { absolute: 0 });
    expectAllClose(tf.slice(all, [0, 0, 0, 1]), tf.fill([3, 4, 4, 1], 0.5), { absolute: 0 });
  }));

it('what is kept is data of its own, in the same classes', async () => {
  const small = keptOf(images, halves);
  const { x0, condition } = await small.batch([5]);
  const whole = await images.batch([5]);
  expectAllClose(x0, halves.reduce(whole.x0 as tf.Tensor4D), { absolute: 0 });
  expect([...condition!.label!.dataSync()]).toEqual([1]);
  expect([small.size, small.shape, small.range, small.classes]).toEqual([6, [2, 2, 1], [-1, 1], ['a', 'b']]);
});

it('a dataset that is an instance of a class stays whole', async () => {
  class Images {
    readonly size = 1;
    readonly shape = [2, 2, 1];
    readonly range = [-1, 1] as const;
    #value = 0.5;
    async fingerprint() {
      return `hash of ${this.#value}`;
    }
    async batch() {
      return { x0: tf.fill([1, 2, 2, 1], this.#value) };
    }
  }
  const told = withConditionImage(new Images(), { degradation: halves });
  expect(await told.fingerprint!()).toBe('hash of 0.5');
  expect((await told.batch([0])).condition!.image!.shape).toEqual([1, 2, 2, 1]);
});

it('refuses images of which nothing is kept, and noise that is none', () => {
  expect(() => withConditionImage(images, { degradation: lowResolution(3) })).toThrow(
    'factor is 3, expected a divisor of both sides of the images, 4 × 4',
  );
  expect(() => withConditionImage(images, { degradation: halves, noise: -1 })).toThrow(
    'noise is -1, expected a finite number of at least 0',
  );
});

it('leaves no tensor behind', () =>
  expectNoLeak(async () => {
    for (const noise of [0, 1]) {
      const told = withConditionImage(images, { degradation: halves, noise });
      disposeBatch(await told.batch([1, 2], rng(0)));
      disposeBatch(await told.batch([1, 2]));
    }
    disposeBatch(await keptOf(images, halves).batch([0]));
  }));
