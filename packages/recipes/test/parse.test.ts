import { SAMPLERS } from '@diffusion-ts/samplers';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../src/config/index.js';
import { ConfigError, PRESETS } from '../src/index.js';
import { changed, type Setting, tiny } from './settings.js';

describe('the config of a run', () => {
  it('has every default written out', () => {
    const config = parseConfig({ data: { kind: 'moons' }, model: { _class_name: 'MLP' } }, 'config');
    expect(config.process).toEqual({
      schedule: { kind: 'linear', steps: 1000 },
      zeroTerminalSnr: false,
      noise: 'gaussian',
      predicts: 'epsilon',
      variance: 'fixedSmall',
      clip: 1,
      sigmaData: 0.5,
    });
    expect(config.loss).toEqual({
      kind: 'simple',
      norm: 'l2',
      weighting: { kind: 'uniform' },
      uncertainty: false,
    });
    expect(config.training).toMatchObject({ coupling: 'independent', pairsOf: null, timestepsMean: null });
    expect(config.sampling).toEqual({
      sampler: 'ddim',
      steps: 50,
      times: null,
      eta: null,
      churn: 0,
      order: null,
      tolerance: null,
      guidance: 0,
      count: 64,
    });
    expect(parseConfig(JSON.parse(JSON.stringify(config)), 'config')).toEqual(config);
  });

  it('is not changed by being completed', () => {
    const given = Object.freeze({ data: Object.freeze({ kind: 'moons' }), model: { _class_name: 'MLP' } });
    expect(parseConfig(given, 'config').data).toEqual({
      kind: 'moons',
      size: 20_000,
      seed: 0,
      labels: false,
    });
    expect(given.data).toEqual({ kind: 'moons' });
  });

  it('completes a schedule, a weighting and an average of the weights that are only named', () => {
    const { process, loss, training } = tiny(
      ['process.schedule', { kind: 'variance-exploding' }],
      ['loss', { kind: 'hybrid', weighting: { kind: 'p2' } }],
      ['training.ema', { kind: 'half-life' }],
    );
    expect(process.schedule).toEqual({ kind: 'variance-exploding', sigmaMin: 0.002, sigmaMax: 80 });
    expect(loss).toEqual({
      kind: 'hybrid',
      norm: 'l2',
      weighting: { kind: 'p2', k: 1, gamma: 1 },
      lambda: 0.001,
    });
    expect(training.ema).toEqual({ kind: 'half-life', images: 500_000, rampUp: 0.05 });
    expect(tiny(['process.schedule', { kind: 'rectified' }]).process.schedule).toEqual({
      kind: 'rectified',
      shift: 1,
    });
  });

  const SCHEDULES =
    'linear, cosine, quadratic, sigmoid, constant-fraction, betas, rectified, variance-exploding, learned';
  const WEIGHTINGS = 'uniform, min-snr, soft-min-snr, p2, sigmoid, x0-snr, max-snr-1, snr-plus-1';
  const OF_COSINE = 'one of kind, steps, offset, maxBeta';
  const PARTS = 'one of data, model, process, loss, training, sampling';
  it.each([
    ['training.steps', 'many', 'is "many": expected a whole number of at least 1.'],
    ['training.steps', 0, 'is 0: expected a whole number of at least 1.'],
    ['training.learningRate', -1, 'is -1: expected a number above 0.'],
    ['training.labelDropout', 2, 'is 2: expected a number in 0 … 1.'],
    ['training.betas', [0.9], 'is [0.9]: expected two numbers from 0 to less than 1.'],
    ['training.maxGradNorm', false, 'is false: expected a number above 0.'],
    [
      'training.timesteps',
      'logitnormal',
      'is "logitnormal": expected logit-normal, perhaps, or one of uniform, stratified, importance, log-normal, logit-normal.',
    ],
    [
      'process.predicts',
      'eps',
      'is "eps": expected epsilon, perhaps, or one of epsilon, x0, v, flow, edm, previous.',
    ],
    ['process.schedule.kind', 'cosin', `is "cosin": expected one of ${SCHEDULES}.`],
    ['process.schedule.betas', 1, `is no setting: expected ${OF_COSINE}.`],
    ['process.schedule.setps', 5, `is no setting: expected steps, perhaps, or ${OF_COSINE}.`],
    ['loss.weighting.kind', 'snr', `is "snr": expected one of ${WEIGHTINGS}.`],
    ['loss.weighting.gamma', 1, 'is no setting: expected one of kind.'],
    ['trainin', {}, `is no setting: expected training, perhaps, or ${PARTS}.`],
    [
      'sampling.sampler',
      'oiler',
      `is "oiler": expected euler, perhaps, or one of ${Object.keys(SAMPLERS).join(', ')}.`,
    ],
    ['sampling.order', 5, 'is 5: expected 1, 2, 3 or 4.'],
    ['sampling.tolerance', 0, 'is 0: expected a number above 0.'],
    [
      'sampling.times',
      'karas',
      'is "karas": expected karras, perhaps, or one of sections, leading, leading-to-data, trailing, linspace, linspace-to-data, even, karras, log-snr.',
    ],
    ['data.seed', 2 ** 53 - 1, 'is 9007199254740991: expected a whole number in 0 … 9007199254740990.'],
    ['data.path', 'x', 'is no setting: expected one of kind, size, seed, labels.'],
    ['model', 3, 'is 3: expected an object.'],
    ['process', null, 'is null: expected an object.'],
  ])('refuses %s = %j in one sentence: … %s', (path, value, message) => {
    const weighted: Setting = ['loss', { kind: 'simple', weighting: { kind: 'uniform' } }];
    const parse = () => parseConfig(changed({ ...PRESETS.moons }, weighted, [path, value]), 'config');
    expect(parse).toThrow(new ConfigError(`config: ${path} ${message}`));
  });

  it.each([
    [['training.betas', [0.9, 1]], 'training.betas.1 is 1: expected a number from 0 to less than 1.'],
    [
      ['process.schedule', { kind: 'betas' }],
      'process.schedule.betas is missing: expected a list of numbers in (0, 1).',
    ],
    [
      ['process.schedule', { kind: 'betas', betas: [] }],
      'process.schedule.betas is []: expected a list of numbers in (0, 1).',
    ],
    [
      ['process.schedule', { kind: 'betas', betas: [0.1, 2] }],
      'process.schedule.betas.1 is 2: expected a number between 0 and 1.',
    ],
    [
      ['process.schedule.steps', '9'.repeat(99)],
      `process.schedule.steps is "${'9'.repeat(56)}…: expected a whole number in 1 … 1000000.`,
    ],
    [['data', { kind: 'images', path: '' }], 'data.path is "": expected the path of a folder.'],
    [['data', { kind: 'images', channels: 2 }], 'data.channels is 2: expected 1 (grey) or 3 (colour).'],
  ] as const)('names the very number that is wrong, and shortens what is long: %j', (change, message) => {
    expect(() => tiny(change)).toThrow(new ConfigError(`tiny: ${message}`));
  });

  it.each([[null], [5], ['text'], [[]]])('refuses %j, which is no object', (whole) => {
    expect(() => parseConfig(whole, 'a.json')).toThrow(
      `a.json: The config is ${JSON.stringify(whole)}: expected an object.`,
    );
  });
});
