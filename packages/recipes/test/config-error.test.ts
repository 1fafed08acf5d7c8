import { describe, expect, it } from 'vitest';
import { blaming, ConfigError } from '../src/index.js';

const failing = (error: Error) => () => {
  throw error;
};

describe('what a setting is to blame for', () => {
  it('is refused with the setting before what was wrong, which remains the cause', () => {
    const cause = new RangeError('steps is 0, expected a positive integer');
    const refused = () => blaming('process.schedule: ', failing(cause));
    expect(refused).toThrow(new ConfigError('process.schedule: steps is 0, expected a positive integer.'));
    expect(refused).toThrow(expect.objectContaining({ name: 'ConfigError', cause }));
    expect(refused).toThrow(RangeError);
  });

  it('is blamed once', () => {
    const first = new ConfigError('model.layers is 0: expected a number of at least 1.');
    expect(() => blaming('process: ', failing(first))).toThrow(first);
  });

  it('is whatever it makes where it makes something', () => {
    expect(blaming('process: ', () => 5)).toBe(5);
  });
});
