import { finish, rng } from '@diffusion-ts/tensor';
import { useBackend } from '@diffusion-ts/testing';
import { initialState, trainStep } from '@diffusion-ts/training';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { parseConfig } from '../src/config/index.js';
import { ConfigError, checkPlan, conditionOf, PRESETS, planWarnings } from '../src/index.js';

type Settings = Record<string, Record<string, unknown>>;

const BASE: Settings = {
  data: { kind: 'moons' },
  model: { _class_name: 'MLP', dimensions: 2, hidden: 4, layers: 1, timeFeatures: 4 },
  process: { schedule: { kind: 'cosine', steps: 8 }, predicts: 'v' },
  loss: { kind: 'simple' },
  training: { labelDropout: 0, batch: 4 },
  sampling: { steps: 4, count: 2 },
};

function merged(settings: Settings): Settings {
  const sections = Object.keys({ ...BASE, ...settings });
  return Object.fromEntries(
    sections.map((name) => [
      name,
      name === 'loss' ? { ...(settings.loss ?? BASE.loss) } : { ...BASE[name], ...settings[name] },
    ]),
  );
}

const plan = (settings: Settings) => checkPlan(parseConfig(merged(settings), 'The config'));
const continuous = { schedule: { kind: 'rectified' }, predicts: 'flow' };

beforeAll(() => useBackend('cpu'));

it.each([
  ['guidance without hidden classes', { sampling: { guidance: 1 } }, 'sampling.guidance is 1: expected 0'],
  ['more steps than there are', { sampling: { steps: 9 } }, 'sampling.steps is 9: expected at most the 8'],
  ['an eta that no step has', { sampling: { eta: 50 } }, 'sampling: eta is 50, expected at most'],
  [
    'an order that a sampler does not have',
    { sampling: { sampler: 'deis', order: 4 } },
    'sampling: order must be 1, 2 or 3, not 4',
  ],
  ['few steps of the previous mean', { process: { predicts: 'previous' } }, 'sampling: the times go from'],
  [
    'the bound in continuous time',
    { process: continuous, loss: { kind: 'variational-bound' } },
    'loss.kind is variational-bound: expected simple',
  ],
  [
    'importance in continuous time',
    { process: continuous, training: { timesteps: 'importance' } },
    'training.timesteps is importance',
  ],
  [
    'no number of steps in continuous time',
    { process: continuous, sampling: { steps: null } },
    'sampling.steps is null: expected a number',
  ],
  [
    'importance where every time is as important',
    { loss: { kind: 'simple', uncertainty: true }, training: { timesteps: 'importance' } },
    'training.timesteps is importance: expected another, since loss.uncertainty is true',
  ],
  [
    'a mean of times that are not normal',
    { training: { timestepsMean: 0 } },
    'training.timestepsMean is 0: expected null, since timesteps are stratified',
  ],
  [
    'a deviation of times that are not normal',
    { training: { timesteps: 'importance', timestepsDeviation: 2 } },
    'training.timestepsDeviation is 2: expected null, since timesteps are importance',
  ],
  [
    'a deviation of data that nothing asks for',
    { process: { sigmaData: 0.7 } },
    'process.sigmaData is 0.7: expected 0.5, its default, since a network that predicts v needs no',
  ],
  [
    'a deviation of data that nobody has measured',
    { process: { predicts: 'edm', sigmaData: null } },
    'process.sigmaData is null: expected the deviation of the data',
  ],
  [
    'a deviation of classes',
    {
      data: { kind: 'heartbeat' },
      process: { noise: 'uniform', predicts: 'x0', sigmaData: 1 },
      loss: { kind: 'cross-entropy' },
      sampling: { sampler: 'ancestral' },
    },
    'process.sigmaData is 1: expected 0.5, its default, since a network that predicts x0 needs no',
  ],
  [
    'optimal transport on paths that are not straight',
    { training: { coupling: 'optimal-transport' } },
    'training.coupling is optimal-transport: expected independent, since only on the straight paths',
  ],
  [
    'pairs of nobody',
    { process: continuous, training: { coupling: 'reflow' } },
    'training.pairsOf is null: expected the folder of a run',
  ],
  [
    'pairs that nobody learns from',
    { training: { pairsOf: 'runs/flow' } },
    'training.pairsOf is runs/flow: expected null, since training.coupling is independent',
  ],
  [
    'a number of pairs that nobody learns from',
    { process: continuous, training: { coupling: 'optimal-transport', pairs: 100 } },
    'training.pairs is 100: expected null, since training.coupling is optimal-transport',
  ],
  [
    'reflow on paths that are not straight',
    { training: { coupling: 'reflow', pairsOf: 'runs/flow' } },
    'training.coupling is reflow: expected independent, since only on the straight paths',
  ],
  [
    'noise along a flow that has no score',
    {
      process: continuous,
      training: { coupling: 'optimal-transport' },
      sampling: { sampler: 'ancestral' },
    },
    'sampling.sampler is ancestral: expected one that adds no noise, such as ddim or heun, since training.coupling is optimal-transport',
  ],
  [
    'noise along such a flow by DDIM',
    { process: continuous, training: { coupling: 'optimal-transport' }, sampling: { eta: 0.5 } },
    'sampling.eta is 0.5: expected 0, since training.coupling is optimal-transport',
  ],
  [
    'noise along such a flow by churn',
    {
      process: continuous,
      training: { coupling: 'optimal-transport' },
      sampling: { sampler: 'heun', churn: 2 },
    },
    'sampling.churn is 2: expected 0, since training.coupling is optimal-transport',
  ],
  [
    'an ε of the optimizer that float32 does not have',
    { training: { epsilon: 1e-300 } },
    'training: epsilon',
  ],
  [
    'the hybrid loss of a fixed variance',
    { loss: { kind: 'hybrid' } },
    'loss.kind is hybrid: expected simple',
  ],
  [
    'a variance that nothing teaches',
    { process: { variance: 'learnedRange' }, model: { outputs: 4 } },
    'process.variance is learnedRange: expected fixedSmall',
  ],
  [
    'Gaussian noise on classes',
    { data: { kind: 'heartbeat' } },
    'process.noise is gaussian: expected uniform, absorbing or discretised-gaussian, since the data are classes.',
  ],
  [
    'classes out of numbers',
    { process: { noise: 'uniform' } },
    'process.noise is uniform: expected gaussian',
  ],
  [
    'a prediction of v in classes',
    { data: { kind: 'heartbeat' }, process: { noise: 'uniform' } },
    'process.predicts is v: expected x0',
  ],
  [
    'squared errors of classes',
    { data: { kind: 'heartbeat' }, process: { noise: 'uniform', predicts: 'x0' } },
    'loss.kind is simple: expected one of variational-bound, cross-entropy',
  ],
  [
    'the cross-entropy of numbers',
    { loss: { kind: 'cross-entropy' } },
    'loss.kind is cross-entropy: expected simple, variational-bound or hybrid',
  ],
  [
    'a flow of classes',
    {
      data: { kind: 'heartbeat' },
      process: { noise: 'uniform', predicts: 'x0' },
      loss: { kind: 'cross-entropy' },
    },
    'sampling.sampler is ddim: expected ancestral, since x are classes',
  ],
  [
    'masks in continuous time without masks',
    {
      data: { kind: 'heartbeat' },
      process: { noise: 'uniform', predicts: 'x0' },
      loss: { kind: 'masked-cross-entropy' },
    },
    'loss.kind is masked-cross-entropy: expected variational-bound',
  ],
  [
    'ε without signal',
    { process: { predicts: 'epsilon', zeroTerminalSnr: true } },
    'process: a network that predicts epsilon says nothing',
  ],
  [
    'the previous mean without signal',
    { process: { predicts: 'previous', zeroTerminalSnr: true }, sampling: { steps: null } },
    'process.predicts is previous: expected v, x0 or flow',
  ],
  ...['min-snr', 'soft-min-snr', 'p2', 'sigmoid', 'x0-snr'].map((kind): [string, Settings, string] => [
    `a last level that ${kind} gives no weight`,
    { process: { predicts: 'v', zeroTerminalSnr: true }, loss: { kind: 'simple', weighting: { kind } } },
    `loss.weighting is ${kind}: expected uniform, max-snr-1 or snr-plus-1`,
  ]),
] as [string, Settings, string][])('a run is refused before it is made: %s', (_, settings, message) => {
  const before = tf.memory().numTensors;
  expect(() => plan(settings)).toThrow(ConfigError);
  expect(() => plan(settings)).toThrow(message);
  expect(tf.memory().numTensors).toBe(before);
});

it('ε on a schedule that ends at next to no signal is warned of, and v is not', () => {
  const warnings = (settings: Settings): string[] => {
    const config = parseConfig(merged(settings), 'test');
    return planWarnings(config, checkPlan(config));
  };
  const schedule = { kind: 'cosine', steps: 1000 };
  expect(warnings({ process: { predicts: 'epsilon', schedule } })).toEqual([
    expect.stringMatching(
      /^process.predicts is epsilon, and the schedule ends at a signal of 0\.00004\d: there an error of 0\.001 in ε is one of 2\d in x_0/,
    ),
  ]);
  expect(warnings({ process: { predicts: 'v', schedule } })).toEqual([]);
  expect(warnings({ process: { predicts: 'epsilon' } })).toEqual([]);
});

it.each(Object.entries(PRESETS))('the preset %s is a plan that can be carried out', (_, preset) => {
  const parsed = parseConfig(preset, 'The preset');
  // Of low resolution, as many channels again, and the level of their noise.
  const told = conditionOf(parsed.data) ? { in_channels: 7, condition_channels: 4 } : {};
  const shaped = {
    UNet2DModel: { sample_size: 32, in_channels: 3, out_channels: 3, num_class_embeds: 11, ...told },
    AutoencoderKL: { sample_size: 32, in_channels: 3, out_channels: 6 },
    Classifier: { sample_size: 32, in_channels: 3, classes: 10 },
    MLP: { dimensions: 2, outputs: parsed.process.variance === 'learned' ? 4 : 2 },
    Mixer: { length: 8, states: 28, outputs: 27 },
  }[parsed.model._class_name];
  const { network } = checkPlan({ ...parsed, model: { ...parsed.model, ...shaped } });
  expect(network.shape).toEqual(network.isImage ? [32, 32, 3] : Object.values(shaped).slice(0, 1));
});

// Whatever is not refused trains and draws: every prediction on every kind of schedule with every loss, sampler and list.
it('what is accepted of a grid of settings takes a step of training and draws', async () => {
  const schedules: Record<string, unknown>[] = [
    { kind: 'cosine', steps: 8 },
    { kind: 'constant-fraction', steps: 5 },
    { kind: 'rectified', shift: 3 },
    { kind: 'variance-exploding', sigmaMax: 10 },
    { kind: 'learned', steps: 5 },
  ];
  let [accepted, refused] = [0, 0];
  for (const schedule of schedules) {
    for (const predicts of ['epsilon', 'x0', 'v', 'flow', 'edm', 'previous']) {
      for (const [loss, variance] of [
        ['simple', 'fixedLarge'],
        ['hybrid', 'learnedRange'],
        ['variational-bound', 'learned'],
      ] as const) {
        for (const [sampler, times] of [
          ['ancestral', null],
          ['heun', 'karras'],
          ['dpm-solver++', 'leading'],
        ] as const) {
          const config = parseConfig(
            merged({
              model: { outputs: variance === 'fixedLarge' ? 2 : 4 },
              process: { schedule, predicts, variance },
              loss: { kind: loss },
              sampling: { sampler, times, steps: 3 },
            }),
            'The config',
          );
          let built: ReturnType<typeof checkPlan>;
          try {
            built = checkPlan(config);
          } catch (error) {
            expect(error).toBeInstanceOf(ConfigError);
            refused += 1;
            continue;
          }
          accepted += 1;
          const state = initialState(built.network.init(rng(0)));
          const { dispose, ...training } = built.trainSteps(rng(1));
          const x0 = rng(2).normal([4, 2]);
          expect((await trainStep(state, { x0 }, training)).loss).toSatisfy(Number.isFinite);
          const reverse = built.process(state.params);
          const samples = await finish(built.sampler(config.sampling)(reverse, x0, { rng: rng(3) }));
          expect(samples.shape).toEqual([4, 2]);
          tf.dispose([x0, samples]);
          dispose();
          reverse.dispose();
        }
      }
    }
  }
  expect(accepted).toBeGreaterThan(40);
  expect(refused).toBeGreaterThan(40);
});
