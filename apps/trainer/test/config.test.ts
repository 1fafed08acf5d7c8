import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PRESETS, type RunConfig } from '@diffusion-ts/recipes';
import { parseConfig } from '@diffusion-ts/recipes/config';
import { describe, expect, it } from 'vitest';
import { type Json, readJson } from '../src/config/read.js';
import { setPath } from '../src/config/set.js';
import { folder } from './folder.js';

const mnist: Json = { ...PRESETS.mnist };
const set = (...assignments: string[]): RunConfig =>
  parseConfig(assignments.reduce(setPath, mnist), 'The config');

describe('--set', () => {
  it('changes the config at a dotted path, with JSON or text for a value', () => {
    const { training, process } = set(
      'training.betas=[0.8,0.95]',
      'process.predicts=x0',
      'training.decay=linear',
    );
    expect([training.betas, process.predicts, training.decay]).toEqual([[0.8, 0.95], 'x0', 'linear']);
    expect(PRESETS.mnist.process?.predicts).toBe('v');
  });

  it('sets null, true and what looks like text', () => {
    const { process, sampling, training } = set(
      'sampling.steps=null',
      'process.zeroTerminalSnr=true',
      'training.maxGradNorm=null',
      'sampling.times="karras"',
    );
    expect([sampling.steps, process.zeroTerminalSnr, training.maxGradNorm]).toEqual([null, true, null]);
    expect(sampling.times).toBe('karras');
  });

  it('forgets the settings of a kind that is set to another', () => {
    const { process } = set('process.schedule.offset=0.01', 'process.schedule.kind=linear');
    expect(process.schedule).toEqual({ kind: 'linear', steps: 1000 });
    const { process: kept } = set('process.schedule.offset=0.01', 'process.schedule.kind=cosine');
    expect(kept.schedule).toMatchObject({ kind: 'cosine', offset: 0.01 });
  });

  it('turns a preset into flow matching and into EDM', () => {
    const flow = set(
      'process.schedule.kind=rectified',
      'process.predicts=flow',
      'training.timesteps=logit-normal',
    );
    expect(flow.process).toEqual({
      schedule: { kind: 'rectified', shift: 1 },
      zeroTerminalSnr: false,
      noise: 'gaussian',
      predicts: 'flow',
      sigmaData: 0.5,
      variance: 'fixedSmall',
      clip: 1,
    });
    const edm = set('process.schedule.kind=variance-exploding', 'process.schedule.sigmaMax=50');
    expect(edm.process.schedule).toEqual({ kind: 'variance-exploding', sigmaMin: 0.002, sigmaMax: 50 });
  });

  it.each([
    ['training', '--set training is not of the form key=value, as in --set training.steps=2000.'],
    ['=5', '--set =5 is not of the form key=value, as in --set training.steps=2000.'],
    [
      'training..steps=5',
      '--set training..steps=5 is not of the form key=value, as in --set training.steps=',
    ],
    ['training.betas.first=1', 'training.betas is [0.9,0.99] and has no settings inside.'],
  ])('%s is refused', (assignment, message) => {
    expect(() => setPath(mnist, assignment)).toThrow(message);
  });

  it('of what is no setting is refused by name, with the place it came from', () => {
    expect(() => set('training.stepz=5')).toThrow(
      'The config: training.stepz is no setting: expected steps, perhaps, or one of steps, batch, ',
    );
  });
});

describe('the file of a config', () => {
  const written = (text: string): string => {
    const file = join(folder(), 'config.json');
    writeFileSync(file, text);
    return file;
  };

  it('is a JSON object', () => {
    expect(readJson(written('{"data":{"kind":"moons"}}'))).toEqual({ data: { kind: 'moons' } });
  });

  it('is refused in one sentence where it is none, or not there', () => {
    const refused = (text: string) => expect(() => readJson(written(text)));
    refused('[1]').toThrow(/config\.json must hold a JSON object\.$/);
    refused('null').toThrow(/config\.json must hold a JSON object\.$/);
    refused('{"data":').toThrow(/config\.json is not JSON: .*\.$/);
    expect(() => readJson('/no/such/config.json')).toThrow(
      'The config cannot be read: /no/such/config.json: no such file or folder.',
    );
  });
});
