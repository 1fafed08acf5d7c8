import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseConfig, type RunConfig } from '../src/config/index.js';
import { build, countOf } from '../src/index.js';
import { fixture } from './settings.js';

const CHECKPOINT = new URL('../../../apps/web/public/checkpoint/config.json', import.meta.url);

// quickstart.json and many-settings.json were written by the first edition.
const OLD: Readonly<Record<string, unknown>> = {
  "the quickstart's": fixture('quickstart.json'),
  'one in which hardly anything is a default': fixture('many-settings.json'),
  "that of the lab's checkpoint": JSON.parse(readFileSync(CHECKPOINT, 'utf8')),
};

describe('a config.json of the first edition', () => {
  it.each(Object.entries(OLD))('loads as it is, with what was added since at its default: %s', (_, json) => {
    const { process, loss, sampling, training, ...rest } = json as RunConfig;
    const added = {
      process: { clip: 1, noise: 'gaussian', sigmaData: 0.5 },
      sampling: { times: null, order: null, churn: 0, tolerance: null },
      training: {
        timestepsMean: null,
        timestepsDeviation: null,
        coupling: 'independent',
        pairsOf: null,
        pairs: null,
      },
    };
    expect(parseConfig(json, 'config.json')).toEqual({
      ...rest,
      loss: { ...(loss.kind === 'simple' && { uncertainty: false }), ...loss },
      process: { ...added.process, ...process },
      sampling: { ...added.sampling, ...sampling },
      training: { ...added.training, ...training },
    });
  });

  it.each(Object.entries(OLD))('is built, with the network that it names in full: %s', (_, json) => {
    const config = parseConfig(json, 'config.json');
    expect(build(config).network.config).toEqual(config.model);
  });

  it('has the network of the quickstart, and that of the other settings', () => {
    const of = (name: string) => build(parseConfig(fixture(name), name)).network;
    expect(of('quickstart.json')).toMatchObject({ shape: [28, 28, 1], classes: 10, nullLabel: 10 });
    expect(countOf(of('quickstart.json').shapes)).toBe(280_881);
    expect(of('many-settings.json')).toMatchObject({ shape: [2], classes: 2, nullLabel: 2 });
  });
});
