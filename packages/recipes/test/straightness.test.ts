import { batches, type Dataset, disposeBatch } from '@diffusion-ts/datasets';
import { finish, type Params, rng } from '@diffusion-ts/tensor';
import { useBackend } from '@diffusion-ts/testing';
import { disposeState, initialState, train } from '@diffusion-ts/training';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RunConfig } from '../src/config/index.js';
import { build, type PointsConfig, pointsOf } from '../src/index.js';
import { type Setting, tiny } from './settings.js';

const FLOW: readonly Setting[] = [
  ['data', { kind: 'gaussian-mixture', size: 4096 }],
  ['model', { _class_name: 'MLP', dimensions: 2, hidden: 32, layers: 2, timeFeatures: 16 }],
  ['process', { schedule: { kind: 'rectified' }, predicts: 'flow' }],
  ['training.batch', 64],
  ['training.learningRate', 0.01],
  ['training.decay', 'cosine'],
  ['training.steps', 150],
  ['training.ema', { kind: 'warmed-up', decay: 0.98 }],
  ['sampling', { sampler: 'ddim', steps: 32 }],
];

/** The averaged weights that a config learns from such examples. */
async function trained(config: RunConfig, data: Dataset): Promise<Params> {
  const built = build(config);
  const { dispose, ...options } = built.trainSteps(rng(1));
  const { steps, batch: size, seed } = config.training;
  const state = await finish(
    train({
      ...options,
      state: initialState(built.network.init(rng(2))),
      batches: (start) => batches(data, { size, seed, start }),
      steps,
    }),
  );
  dispose();
  const { ema, ...rest } = state;
  disposeState(rest);
  return ema!;
}

interface Way {
  readonly noise: tf.Tensor;
  readonly x0: tf.Tensor;
  /** The mean over time and samples of ‖v − (ε − x_0)‖² of Liu et al. 2023. */
  readonly bend: number;
}

/** What so many of Euler's steps make of noise, and how far from straight their ways are. */
async function drawn(
  config: RunConfig,
  params: Params,
  steps: number,
  noise: tf.Tensor = rng(3).normal([512, 2]),
): Promise<Way> {
  const built = build(config);
  const reverse = built.process(params);
  const velocities: tf.Tensor[] = [];
  const x0 = await finish(
    built.sampler({ ...config.sampling, steps })(reverse, noise, {}),
    ({ x, x0, from }) => {
      // v = ε − x_0 of x = (1 − t) x_0 + t ε.
      velocities.push(tf.tidy(() => tf.div(tf.sub(x, x0), from.t)));
    },
  );
  const bend = tf.tidy(() => {
    const straight = tf.sub(noise, x0);
    const each = velocities.map((v) => tf.mean(tf.sum(tf.squaredDifference(v, straight), 1)));
    return tf.mean(tf.stack(each)).dataSync()[0]!;
  });
  tf.dispose(velocities);
  reverse.dispose();
  return { noise, x0, bend };
}

/** The mean over 64 directions of the distance between sorted projections. */
function slicedWasserstein(a: tf.Tensor, b: tf.Tensor): number {
  const [x, y] = [a, b].map((points) => points.arraySync() as [number, number][]) as [
    [number, number][],
    [number, number][],
  ];
  const distances = Array.from({ length: 64 }, (_, k) => {
    const [c, s] = [Math.cos((Math.PI * k) / 64), Math.sin((Math.PI * k) / 64)];
    const [p, q] = [x, y].map((points) => Float64Array.from(points, ([u, v]) => c * u + s * v).sort()) as [
      Float64Array,
      Float64Array,
    ];
    return p.reduce((sum, value, i) => sum + Math.abs(value - q[i]!), 0) / p.length;
  });
  return distances.reduce((sum, one) => sum + one, 0) / 64;
}

/** Pairs of noise and what these weights make of it. */
async function pairsOf(config: RunConfig, params: Params): Promise<Dataset & { dispose(): void }> {
  const { noise, x0 } = await drawn(config, params, 32, rng(9).normal([1024, 2]));
  return {
    size: 1024,
    shape: [2],
    range: [-2, 2],
    batch: async (indices) => {
      const rows = tf.tensor1d(Array.from(indices), 'int32');
      const [taken, made] = [x0, noise].map((all) => tf.gather(all, rows)) as [tf.Tensor, tf.Tensor];
      rows.dispose();
      return { x0: taken, noise: made };
    },
    dispose: () => tf.dispose([noise, x0]),
  };
}

describe('the ways of a flow, learned from examples and noise', () => {
  interface Measured {
    readonly bend: number;
    /** Sliced Wasserstein distance of samples in one and in 32 steps from data that it has not seen. */
    readonly oneStep: number;
    readonly manySteps: number;
  }
  let [independent, transported, reflowed]: Measured[] = [];
  const config = tiny(...FLOW);
  const coupled = (coupling: string) => tiny(...FLOW, ['training.coupling', coupling]);

  beforeAll(async () => {
    await useBackend('wasm');
    const before = tf.memory().numTensors;
    const data = pointsOf(config.data as PointsConfig, 'train');
    const unseen = await pointsOf(config.data as PointsConfig, 'test').batch(
      Array.from({ length: 512 }, (_, i) => i),
    );
    const measured = async (params: Params): Promise<Measured> => {
      const ways = [await drawn(config, params, 1), await drawn(config, params, 32)];
      const [oneStep, manySteps] = ways.map(({ x0 }) => slicedWasserstein(x0, unseen.x0));
      tf.dispose(ways.map(({ noise, x0 }) => [noise, x0]));
      return { bend: ways[1]!.bend, oneStep: oneStep!, manySteps: manySteps! };
    };
    const first = await trained(config, data);
    const transport = await trained(coupled('optimal-transport'), data);
    const pairs = await pairsOf(config, first);
    const second = await trained(coupled('reflow'), pairs);
    [independent, transported, reflowed] = [
      await measured(first),
      await measured(transport),
      await measured(second),
    ];
    pairs.dispose();
    disposeBatch(unseen);
    tf.dispose([first, transport, second]);
    expect(tf.memory().numTensors).toBe(before);
  }, 240_000);

  it('bend where these are independent, so that one step goes astray', () => {
    expect(independent!.bend).toBeGreaterThan(0.2);
    expect(independent!.oneStep).toBeGreaterThan(2 * independent!.manySteps);
  });

  it('bend a tenth as much, and one step ends half as far from the data, where optimal transport couples them', () => {
    expect(transported!.bend).toBeLessThan(0.1 * independent!.bend);
    expect(transported!.oneStep).toBeLessThan(0.5 * independent!.oneStep);
  });

  it('bend hardly at all after a reflow, and one step does what 32 do', () => {
    expect(reflowed!.bend).toBeLessThan(0.2 * transported!.bend);
    expect(reflowed!.oneStep).toBeLessThan(0.5 * independent!.oneStep);
    expect(Math.abs(reflowed!.oneStep - reflowed!.manySteps)).toBeLessThan(0.03);
  });
});
