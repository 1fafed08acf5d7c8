import { disposeBatch } from '@diffusion-ts/datasets';
import { useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { isPoints, POINTS, type PointsConfig, pointsOf, type Split } from '../src/index.js';
import { namesAt, tiny } from './settings.js';

const config = (settings: object) => tiny(['data', settings]).data as PointsConfig;
const OTHERS = ['mnist', 'idx', 'images', 'mnist-binary', 'heartbeat', 'names', 'latents'];

async function first(settings: object, split: Split): Promise<Float32Array> {
  const batch = await pointsOf(config(settings), split).batch([0, 1, 2]);
  const values = batch.x0.dataSync<'float32'>();
  disposeBatch(batch);
  return values;
}

describe('the points of a run', () => {
  beforeAll(() => useBackend('cpu'));

  it.each(namesAt('data.kind'))(
    'are data of the plane, all kinds but images and sequences: %s',
    async (kind) => {
      expect(isPoints(config({ kind }))).toBe(!OTHERS.includes(kind));
      if (OTHERS.includes(kind)) return;
      const before = tf.memory().numTensors;
      const dataset = pointsOf(config({ kind, size: 20 }), 'train');
      expect([dataset.size, dataset.shape]).toEqual([20, [2]]);
      expect((await first({ kind, size: 20 }, 'train')).every((x) => Math.abs(x) < 2)).toBe(true);
      expect(tf.memory().numTensors).toBe(before);
      expect(Object.keys(POINTS)).toContain(kind);
    },
  );

  it('to be tested on are others, drawn with the seed after the one to learn from', async () => {
    const moons = { kind: 'moons', size: 9 };
    expect(await first(moons, 'test')).not.toEqual(await first(moons, 'train'));
    expect(await first(moons, 'test')).toEqual(await first({ ...moons, seed: 1 }, 'train'));
  });

  it('have classes where labels are asked for', () => {
    const moons = { kind: 'moons', size: 9 };
    expect(pointsOf(config(moons), 'train').classes).toBe(undefined);
    expect(pointsOf(config({ ...moons, labels: true }), 'train').classes).toHaveLength(2);
  });
});
