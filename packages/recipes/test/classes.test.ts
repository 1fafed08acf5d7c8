import { batches, disposeBatch } from '@diffusion-ts/datasets';
import { latent } from '@diffusion-ts/forward-process';
import { finish, rng } from '@diffusion-ts/tensor';
import { useBackend } from '@diffusion-ts/testing';
import { disposeState, initialState, train } from '@diffusion-ts/training';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import {
  build,
  ConfigError,
  checkPlan,
  classesOf,
  diffusionOf,
  fitModel,
  isSequences,
  type SequencesConfig,
  sequencesOf,
} from '../src/index.js';
import { tiny } from './settings.js';

beforeAll(() => useBackend('cpu'));

const sequences = (kind: string, model: object, process: object, loss: string) =>
  tiny(
    ['data', { kind, ...(kind === 'heartbeat' && { size: 64 }) }],
    ['model', model],
    ['process', { predicts: 'x0', ...process }],
    ['loss', { kind: loss }],
    ['training', { batch: 8, steps: 2, labelDropout: 0, learningRate: 0.01 }],
    ['sampling', { sampler: 'ancestral', steps: 6, count: 3 }],
  );
const MLP = { _class_name: 'MLP', hidden: 4, layers: 1, timeFeatures: 4 };
const MIXER = { _class_name: 'Mixer', hidden: 4, layers: 1, timeFeatures: 4 };
const STEPS = { schedule: { kind: 'constant-fraction', steps: 6 } };
const SMOOTH = { schedule: { kind: 'rectified' } };

it.each([
  ['heartbeat', MLP, { ...STEPS, noise: 'uniform' }, 'variational-bound'],
  ['heartbeat', MIXER, { ...STEPS, noise: 'absorbing' }, 'cross-entropy-hybrid'],
  ['names', MIXER, { ...SMOOTH, noise: 'absorbing' }, 'masked-cross-entropy'],
  ['names', MLP, { ...SMOOTH, noise: 'uniform' }, 'cross-entropy'],
  ['names', MIXER, { ...STEPS, noise: 'discretised-gaussian' }, 'variational-bound'],
] as const)(
  '%s train and are drawn as classes of the data: %o, %o, %s',
  async (kind, model, process, loss) => {
    const before = tf.memory().numTensors;
    const config = sequences(kind, model, process, loss);
    if (!isSequences(config.data)) throw new TypeError('no sequences');
    const data = sequencesOf(config.data, 'train');
    const fitted = { ...config, model: fitModel(config, data) };
    const built = checkPlan(fitted);
    const { network, forward } = built;
    const { dispose, ...options } = built.trainSteps(rng(1));
    const state = initialState(network.init(rng(2)));
    const start = await state.params['output.weight']!.data();
    const run = train({
      ...options,
      state,
      batches: (start) => batches(data, { size: 8, seed: 0, start }),
      steps: 2,
    });
    await finish(run, ({ loss }) => expect(loss).toBeGreaterThan(0));
    expect(await state.params['output.weight']!.data()).not.toEqual(start);

    const reverse = built.process(state.params);
    const xT = latent(forward, rng(3), [3, ...network.shape]);
    const x0 = await finish(built.sampler(fitted.sampling)(reverse, xT, { rng: rng(4) }));
    const classes = classesOf(fitted.data)!;
    for (const value of x0.dataSync())
      expect(Number.isInteger(value) && value >= 0 && value < classes).toBe(true);
    reverse.dispose();
    dispose();
    disposeState(state);
    tf.dispose([xT, x0]);
    expect(tf.memory().numTensors).toBe(before);
  },
);

it('heartbeats to be tested on are others, and names the same', async () => {
  const of = async (data: SequencesConfig, split: 'train' | 'test') => {
    const batch = await sequencesOf(data, split).batch([0, 1, 2, 3, 4, 5, 6, 7]);
    const values = [...batch.x0.dataSync()];
    disposeBatch(batch);
    return values;
  };
  const beats = { kind: 'heartbeat', size: 8, seed: 0 } as const;
  expect(await of(beats, 'test')).not.toEqual(await of(beats, 'train'));
  expect(await of({ kind: 'names' }, 'test')).toEqual(await of({ kind: 'names' }, 'train'));
});

it('what draws numbers alone refuses classes, and builds the rest', () => {
  const config = sequences(
    'heartbeat',
    { ...MLP, dimensions: 20, outputs: 40 },
    { ...STEPS, noise: 'uniform' },
    'cross-entropy',
  );
  expect(build(config).network.shape).toEqual([20]);
  expect(() => diffusionOf(config)).toThrow(
    new ConfigError(
      'process.noise is uniform: expected gaussian, since numbers are asked for and no classes.',
    ),
  );
  expect(diffusionOf(tiny()).network.shape).toEqual([2]);
});
