import { describe, expect, it } from 'vitest';
import { parseConfig } from '../src/config/index.js';
import { alphaBarsOf, ConfigError, checkAlphaBars } from '../src/index.js';
import { type Setting, tiny } from './settings.js';

const kept = (...changes: Setting[]) => {
  const config = tiny(...changes);
  return { config, json: JSON.parse(JSON.stringify({ ...config, alphaBars: alphaBarsOf(config.process) })) };
};

describe('what a run keeps of its process', () => {
  it('is alpha bar from the first time to the last', () => {
    // Of β = 0.5 twice nine, at nine times of eighteen: 0, 2, 4, 6, 9 (8.5), 11, 13, 15, 17.
    const betas = Array(18).fill(0.5);
    const at = [0, 2, 4, 6, 9, 11, 13, 15, 17];
    const found = alphaBarsOf({ schedule: { kind: 'betas', betas }, zeroTerminalSnr: false });
    found.forEach((alphaBar, i) => {
      expect(alphaBar).toBeCloseTo(0.5 ** (at[i]! + 1), 14);
    });
    // α = 1 − t and σ = t, in the middle
    expect(alphaBarsOf({ schedule: { kind: 'rectified', shift: 1 }, zeroTerminalSnr: false })[4]).toBeCloseTo(
      0.5,
      2,
    );
  });

  it.each([
    [['process.schedule', { kind: 'cosine' }]],
    [
      ['process.schedule', { kind: 'linear', steps: 1000 }],
      ['process.zeroTerminalSnr', true],
    ],
    [['process.schedule', { kind: 'variance-exploding' }]],
    [['process.schedule', { kind: 'constant-fraction', steps: 3 }]],
    [['process.schedule', { kind: 'learned' }]],
  ] as Setting[][])('agrees with itself after the way through a file: %j', (...changes) => {
    const { config, json } = kept(...changes);
    expect(() => checkAlphaBars(json, config, 'config.json')).not.toThrow();
    expect(parseConfig(json, 'config.json')).toEqual(config);
  });

  it('is missing in old runs, which are taken as they are', () => {
    expect(() => checkAlphaBars({}, tiny(), 'config.json')).not.toThrow();
  });

  it('does not agree with a schedule whose formula changed, by name and place', () => {
    const { config, json } = kept(['process.schedule', { kind: 'cosine' }]);
    const other = alphaBarsOf({
      schedule: { kind: 'cosine', steps: 1000, offset: 0.009, maxBeta: 0.999 },
      zeroTerminalSnr: false,
    });
    expect(() => checkAlphaBars({ ...json, alphaBars: other }, config, 'config.json')).toThrow(ConfigError);
    expect(() => checkAlphaBars({ ...json, alphaBars: other }, config, 'config.json')).toThrow(
      /^config\.json: alphaBars\.0 is 0\.99\d+, but the cosine schedule has 0\.99\d+ there: the network learned another process,/,
    );
    // A last digit is none.
    const rounded = json.alphaBars.map((value: number) => value * (1 + 1e-12));
    expect(() => checkAlphaBars({ ...json, alphaBars: rounded }, config, 'config.json')).not.toThrow();
    for (const broken of [[], null, 'x', [1, 2, 3]])
      expect(() => checkAlphaBars({ alphaBars: broken }, config, 'config.json')).toThrow('alphaBars.0 is');
  });
});
