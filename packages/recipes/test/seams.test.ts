import { batches } from '@diffusion-ts/datasets';
import { latent } from '@diffusion-ts/forward-process';
import { PREDICTIONS } from '@diffusion-ts/reverse-process';
import { finish, type Params, rng } from '@diffusion-ts/tensor';
import { useBackend } from '@diffusion-ts/testing';
import { disposeState, initialState, type StepRecord, type TrainState, train } from '@diffusion-ts/training';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RunConfig } from '../src/config/index.js';
import {
  diffusionOf,
  type PointsConfig,
  pointsOf,
  samplerOf,
  samplingProcess,
  scheduleOf,
  trainingOf,
} from '../src/index.js';
import { type Setting, tiny } from './settings.js';

const FLOW: readonly Setting[] = [
  ['process', { schedule: { kind: 'rectified' }, predicts: 'flow' }],
  ['training.timesteps', 'logit-normal'],
  ['sampling', { sampler: 'ddim', steps: 8 }],
];
const EDM: readonly Setting[] = [
  ['process', { schedule: { kind: 'variance-exploding' }, predicts: 'edm' }],
  ['training.timesteps', 'log-normal'],
  ['sampling', { sampler: 'heun', steps: 18 }],
];
const RING: readonly Setting[] = [
  ['data', { kind: 'gaussian-mixture', size: 4096 }],
  ['model', { _class_name: 'MLP', dimensions: 2, hidden: 32, layers: 2, timeFeatures: 16 }],
  ['training.batch', 128],
  ['training.steps', 250],
  ['training.ema', { kind: 'warmed-up', decay: 0.98 }],
];

async function trained(config: RunConfig): Promise<{ state: TrainState; records: StepRecord[] }> {
  const { network, forward } = diffusionOf(config);
  const data = pointsOf(config.data as PointsConfig, 'train');
  const { dispose, ...options } = trainingOf(config, network, forward, rng(1));
  const { steps, batch: size, seed } = config.training;
  const records: StepRecord[] = [];
  const run = train({
    ...options,
    state: initialState(network.init(rng(2))),
    batches: (start) => batches(data, { size, seed, start }),
    steps,
  });
  const state = await finish(run, (record) => void records.push(record));
  dispose();
  return { state, records };
}

/** The noise, and what a network with these weights, or a fresh one, makes of it. */
async function sampled(
  config: RunConfig,
  weights?: Params,
): Promise<[noise: Float32Array, x0: Float32Array]> {
  const { network, forward } = diffusionOf(config);
  const params = weights ?? network.init(rng(2));
  const reverse = samplingProcess(network, params, forward, config.process, 0);
  const xT = latent(forward, rng(3), [256, 2]);
  const x0 = await finish(samplerOf(config.sampling, forward)(reverse, xT, { rng: rng(4) }));
  reverse.dispose();
  const values = [xT, x0].map((x) => x.dataSync<'float32'>()) as [Float32Array, Float32Array];
  tf.dispose([xT, x0, weights === undefined ? params : {}]);
  return values;
}

describe.each([
  ['flow matching', FLOW],
  ['EDM', EDM],
] as const)('a config of %s', (_, changes) => {
  beforeAll(() => useBackend('wasm'));

  it('trains a network to know more of the data than their variance, and samples it', async () => {
    const before = tf.memory().numTensors;
    const config = tiny(...changes, ...RING);
    const { state, records } = await trained(config);
    // The error of the best network, were the data Gaussian with the variance of the ring.
    const schedule = scheduleOf(config.process.schedule);
    const variance = 0.8 ** 2 / 2 + 0.05 ** 2;
    const gaussian = (t: number) => {
      const level = schedule.level(t);
      const { out } = PREDICTIONS[config.process.predicts].at(level, schedule);
      return (variance * level.sigma ** 2) / (level.alpha ** 2 * variance + level.sigma ** 2) / out ** 2;
    };
    const better = records
      .slice(-50)
      .flatMap(({ t, losses }) => [...losses].map((loss, i) => gaussian(t[i]!) - loss));
    expect(better.reduce((sum, part) => sum + part, 0) / better.length).toBeGreaterThan(0.03);

    const [, samples] = await sampled(config, state.ema);
    expect(samples.every(Number.isFinite)).toBe(true);
    const power = samples.reduce((sum, x) => sum + x ** 2, 0) / samples.length;
    expect(power).toBeGreaterThan(0.6 * variance);
    expect(power).toBeLessThan(1.4 * variance);
    disposeState(state);
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('a network that says 0', () => {
  beforeAll(() => useBackend('cpu'));

  it('stands still in flow matching: its velocity is 0', async () => {
    const [noise, x0] = await sampled(tiny(...FLOW));
    x0.forEach((x, i) => {
      expect(x).toBeCloseTo(noise[i]!, 5);
    });
  });

  it('follows in EDM the flow of N(0, σ_d²), x_T σ_d/√(σ_T² + σ_d²), from noise of deviation 80', async () => {
    const [noise, x0] = await sampled(tiny(...EDM, ['sampling.steps', 60]));
    expect(Math.max(...noise)).toBeGreaterThan(150);
    x0.forEach((x, i) => {
      expect(x / ((noise[i]! * 0.5) / Math.hypot(80, 0.5))).toBeCloseTo(1, 2);
    });
  });
});
