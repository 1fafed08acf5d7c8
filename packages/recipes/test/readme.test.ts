import { readFileSync } from 'node:fs';
import { expectReadmeRuns } from '@diffusion-ts/testing';
import { expect, test } from 'vitest';
import { PRESETS } from '../src/index.js';
import { namesAt } from './settings.js';

const README = new URL('../README.md', import.meta.url);

test('the example of the README prints what it says', () => expectReadmeRuns(README));

test('the README has every name that a config may have', () => {
  const settings = [
    ...['data.kind', 'data.condition.kind', 'process.schedule.kind', 'process.predicts', 'process.variance'],
    ...['loss.kind', 'loss.norm', 'loss.weighting.kind'],
    ...['training.timesteps', 'training.ema.kind', 'training.decay', 'sampling.sampler', 'sampling.times'],
  ];
  const text = readFileSync(README, 'utf8');
  for (const setting of settings) {
    expect(namesAt(setting).length).toBeGreaterThan(1);
    for (const name of namesAt(setting)) expect(text).toContain(`\`${name}\``);
  }
  for (const preset of Object.keys(PRESETS)) expect(text).toContain(`\`${preset}\``);
});
