import { linear } from '@diffusion-ts/schedules';
import { type Params, rng } from '@diffusion-ts/tensor';
import { useBackend } from '@diffusion-ts/testing';
import { disposeState, initialState, trainStep } from '@diffusion-ts/training';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type DenoisingNetwork,
  diffusionOf,
  learningRateOf,
  type PointsConfig,
  pointsOf,
  trainingOf,
} from '../src/index.js';
import { labelled, namesAt, type Setting, tiny } from './settings.js';

/** What two steps of training leave: losses, gradients and weights. */
async function trained(
  ...changes: Setting[]
): Promise<{ losses: number[]; weights: number[]; ema?: number[] }> {
  const config = labelled(...changes);
  const { network, forward } = diffusionOf(config);
  const { dispose, ...options } = trainingOf(config, network, forward, rng(1));
  const init = network.init(rng(2));
  // A network that says 0 teaches its last layer alone.
  const params = { ...init, 'output.weight': rng(3).normal(init['output.weight']!.shape) };
  init['output.weight']!.dispose();
  const state = initialState(params);
  const { x0, condition } = await pointsOf(config.data as PointsConfig, 'train').batch([
    0, 1, 2, 3, 4, 5, 6, 7,
  ]);
  try {
    const losses: number[] = [];
    for (let step = 0; step < 2; step++) {
      losses.push((await trainStep(state, { x0, condition: condition! }, options)).loss);
    }
    const numbers = (tree: Record<string, tf.Tensor>) =>
      Object.values(tree).flatMap((tensor) => [...tensor.dataSync()]);
    return { losses, weights: numbers(state.params), ...(state.ema && { ema: numbers(state.ema) }) };
  } finally {
    dispose();
    disposeState(state);
    tf.dispose([x0, ...Object.values(condition!)]);
  }
}

describe('the training of a run', () => {
  beforeAll(() => useBackend('cpu'));

  it('frees what it made when it is done', async () => {
    const before = tf.memory().numTensors;
    await trained();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('is a function of its settings', async () => {
    expect(await trained()).toEqual(await trained());
  });

  // Each of these must reach the step; a setting that is read and not passed on would leave the weights as they are.
  it.each([
    ['training.learningRate', 0.02],
    ['training.warmUp', 3],
    ['training.betas', [0.5, 0.9]],
    ['training.epsilon', 0.1],
    ['training.weightDecay', 0.5],
    ['training.maxGradNorm', 0.001],
    ['training.timesteps', 'uniform'],
    ['training.labelDropout', 1],
    ['training.coupling', 'optimal-transport'],
    ['loss', { kind: 'simple', norm: 'l1' }],
    ['loss', { kind: 'simple', uncertainty: true }],
    ['loss', { kind: 'variational-bound' }],
    ['process.predicts', 'x0'],
    ['process.schedule', { kind: 'linear', steps: 100 }],
  ] as const)('heeds %s = %j', async (path, value) => {
    expect((await trained([path, value])).weights).not.toEqual((await trained()).weights);
  });

  it('learns the uncertainty of the levels beside the network, which answers as it would without', async () => {
    const config = tiny(['loss', { kind: 'simple', uncertainty: true }]);
    const { network, forward } = diffusionOf(config);
    const { dispose, ...options } = trainingOf(config, network, forward, rng(1));
    const state = initialState(network.init(rng(2)));
    const { x0 } = await pointsOf(config.data as PointsConfig, 'train').batch([0, 1, 2, 3, 4, 5, 6, 7]);
    const [first, ...later] = [0, 1, 2].map(() => () => trainStep(state, { x0 }, options));
    const { loss } = await first!();
    const plain = trainingOf(tiny(), network, forward, rng(1));
    const fresh = initialState(network.init(rng(2)));
    expect(loss).toBeCloseTo((await trainStep(fresh, { x0 }, plain)).loss, 5);
    for (const step of later) await step();
    expect(state.params['uncertainty.weight']!.dataSync().every((w) => w !== 0)).toBe(true);

    const answers = (params: Params, of: DenoisingNetwork) =>
      tf.tidy(() => [...(of.denoiser(params)(x0, tf.fill([8], 3)) as tf.Tensor).dataSync()]);
    const { 'uncertainty.weight': _, ...own } = state.params;
    expect(answers(state.params, network)).toEqual(answers(own, diffusionOf(tiny()).network));
    dispose();
    plain.dispose();
    disposeState(state);
    disposeState(fresh);
    x0.dispose();
  });

  it('heeds the deviation of the data that it is told', async () => {
    const edm: Setting = ['process.predicts', 'edm'];
    const told = await trained(edm, ['process.sigmaData', 0.9]);
    expect(told.weights).not.toEqual((await trained(edm)).weights);
    expect((await trained(edm, ['process.sigmaData', 0.5])).weights).toEqual((await trained(edm)).weights);
  });

  it('computes on parts of a batch what it computes on the whole', async () => {
    const [parts, whole] = [await trained(['training.microBatch', 3]), await trained()];
    parts.losses.forEach((loss, i) => {
      expect(loss).toBeCloseTo(whole.losses[i]!, 5);
    });
  });

  it('does not clip gradients where no norm is given', async () => {
    const free = await trained(['training.maxGradNorm', null]);
    expect(free.weights).toEqual((await trained(['training.maxGradNorm', 1e9])).weights);
  });

  const AVERAGES: Readonly<Record<string, object>> = {
    constant: { decay: 0.5 },
    'warmed-up': { decay: 0.999 },
    'half-life': { images: 1000, rampUp: 0.5 },
    none: {},
  };
  it.each(namesAt('training.ema.kind'))('averages the weights as it is told to: %s', async (kind) => {
    const { ema, weights } = await trained(['training.ema', { kind, ...AVERAGES[kind] }]);
    if (kind === 'none') expect(ema).toBe(undefined);
    else expect(ema).not.toEqual(weights);
    for (const other of namesAt('training.ema.kind')) {
      if (other === kind) continue;
      expect((await trained(['training.ema', { kind: other, ...AVERAGES[other] }])).ema).not.toEqual(ema);
    }
  });

  // What a time is drawn to make normal, or evenly spread over its range.
  const schedule = linear({ steps: 1000 });
  const uniform = { of: (t: number) => t / 1000, mean: 0.5, deviation: Math.sqrt(1 / 12) };
  const DRAWN: Readonly<Record<string, { of(t: number): number; mean: number; deviation: number }>> = {
    'log-normal': { of: (t) => -schedule.level(t).logSnr / 2, mean: -1.2, deviation: 1.2 },
    'logit-normal': { of: (t) => Math.log((t + 0.5) / (999.5 - t)), mean: 0, deviation: 1 },
  };
  it.each(['log-normal', 'logit-normal'])(
    'draws %s times of the mean and the deviation that are given',
    (timesteps) => {
      const config = tiny(
        ['training.timesteps', timesteps],
        ['training.timestepsMean', -0.4],
        ['training.timestepsDeviation', 0.5],
      );
      const { network, forward } = diffusionOf(config);
      const { times, dispose } = trainingOf(config, network, forward, rng(0));
      const values = [...times!.draw(rng(4), 10_000, schedule, []).t].map(DRAWN[timesteps]!.of);
      dispose();
      const found = values.reduce((sum, value) => sum + value, 0) / 10_000;
      const variance = values.reduce((sum, value) => sum + (value - found) ** 2, 0) / 10_000;
      expect(found).toBeCloseTo(-0.4, 1);
      expect(Math.sqrt(variance)).toBeCloseTo(0.5, 1);
    },
  );

  it.each(namesAt('training.timesteps'))('draws its times as it is told to: %s', (timesteps) => {
    const config = tiny(['training.timesteps', timesteps]);
    const { network, forward } = diffusionOf(config);
    const { times, dispose } = trainingOf(config, network, forward, rng(0));
    const { t, weights } = times!.draw(rng(4), 10_000, schedule, []);
    dispose();
    const { of, mean, deviation } = DRAWN[timesteps] ?? uniform;
    const values = [...t].map(of);
    const found = values.reduce((sum, value) => sum + value, 0) / 10_000;
    const variance = values.reduce((sum, value) => sum + (value - found) ** 2, 0) / 10_000;
    expect(Math.abs(found - mean)).toBeLessThan(0.04 * deviation);
    expect(Math.sqrt(variance) / deviation).toBeCloseTo(1, 1);
    expect(new Set(weights)).toEqual(new Set([1]));
  });

  it.each(namesAt('training.decay'))('has a rate that goes its way after warming up: %s', (decay) => {
    const { training } = tiny(
      ['training.decay', decay],
      ['training.steps', 110],
      ['training.warmUp', 10],
      ['training.finalFraction', 0.1],
    );
    const rate = learningRateOf(training);
    expect(rate(0)).toBeCloseTo(0.01 / 10, 6);
    const last = { constant: 0.01, cosine: 0.001, linear: 0.001 }[decay]!;
    expect(rate(110)).toBeCloseTo(last, 6);
    expect(learningRateOf({ ...training, warmUp: 0 })(0)).toBeCloseTo(0.01, 6);
    expect(rate(60)).toBeGreaterThanOrEqual(last);
  });
});
