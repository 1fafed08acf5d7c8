import { describe, expect, it } from 'vitest';
import { checkConfig } from '../src/config/read.js';
import { setPath } from '../src/config/set.js';
import { PRESETS } from '../src/presets/index.js';
import { mnist } from '../src/presets/mnist.js';

const check = (...assignments: string[]) => checkConfig(assignments.reduce(setPath, { ...mnist }), 'config');

describe('the config of a run', () => {
  it('has every default written out', () => {
    const config = checkConfig({ data: { kind: 'moons' }, model: { _class_name: 'MLP' } }, 'config');
    expect(config.process).toEqual({
      schedule: { kind: 'linear', steps: 1000 },
      zeroTerminalSnr: false,
      predicts: 'epsilon',
      variance: 'fixedSmall',
    });
    expect(checkConfig(JSON.parse(JSON.stringify(config)), 'config')).toEqual(config);
  });

  it('is valid in every preset', () => {
    for (const preset of Object.values(PRESETS))
      expect(() => checkConfig({ ...preset }, 'config')).not.toThrow();
  });

  it.each([
    ['training.steps=many', 'training.steps is "many": expected a whole number of at least 1.'],
    ['training.steps=0', 'training.steps is 0: expected a whole number of at least 1.'],
    ['training.learningRate=-1', 'training.learningRate is -1: expected a number above 0.'],
    ['training.labelDropout=2', 'training.labelDropout is 2: expected a number in 0 … 1.'],
    ['training.betas=[0.9]', 'training.betas is [0.9]: expected two numbers in 0 … 1.'],
    ['training.maxGradNorm=false', 'training.maxGradNorm is false: expected a number above 0.'],
    [
      'process.predicts=eps',
      'process.predicts is "eps": expected epsilon, perhaps, or one of epsilon, x0, v, previous.',
    ],
    [
      'process.schedule.kind=cosin',
      'process.schedule.kind is "cosin": expected one of linear, cosine, quadratic, sigmoid, constant-fraction, betas.',
    ],
    [
      'process.schedule.setps=5',
      'process.schedule.setps is no setting: expected steps, perhaps, or one of kind, steps, offset, maxBeta.',
    ],
    [
      'trainin.steps=5',
      'trainin is no setting: expected training, perhaps, or one of data, model, process, loss, training, sampling.',
    ],
    ['sampling.sampler=euler', 'sampling.sampler is "euler": expected one of ancestral, ddim, dpm-solver++.'],
    ['sampling.order=4', 'sampling.order is 4: expected 1, 2 or 3.'],
    ['data.path=x', 'data.path is no setting: expected one of kind, labels.'],
    ['model=3', 'model is 3: expected an object.'],
  ])('refuses %s: %s', (assignment, message) => {
    expect(() => check(assignment)).toThrow(`config: ${message}`);
  });

  it('is changed by --set at a dotted path, with JSON or text for a value', () => {
    const { training, process } = check(
      'training.betas=[0.8,0.95]',
      'process.predicts=x0',
      'training.decay=linear',
    );
    expect([training.betas, process.predicts, training.decay]).toEqual([[0.8, 0.95], 'x0', 'linear']);
    expect(mnist.process?.predicts).toBe('v');
  });

  it('forgets the settings of a kind that is set to another', () => {
    const { process } = check('process.schedule.offset=0.01', 'process.schedule.kind=linear');
    expect(process.schedule).toEqual({ kind: 'linear', steps: 1000 });
  });

  it.each([
    ['training', '--set training is not of the form key=value, as in --set training.steps=2000.'],
    ['=5', '--set =5 is not of the form key=value, as in --set training.steps=2000.'],
    ['training.betas.first=1', 'training.betas is [0.9,0.99] and has no settings inside.'],
  ])('refuses --set %s', (assignment, message) => {
    expect(() => setPath({ ...mnist }, assignment)).toThrow(message);
  });
});
