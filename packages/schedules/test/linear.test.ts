import { describe, expect, it } from 'vitest';
import { linear } from '../src/index.js';
import { alphaBars } from './levels.js';

describe('linear', () => {
  it('is Ho et al.’s 1e-4 to 0.02 at a thousand steps', () => {
    const { betas } = linear({ steps: 1000 });
    expect([betas[0], betas[999]]).toEqual([1e-4, 0.02]);
    expect(betas[500]! - betas[499]!).toBeCloseTo((0.02 - 1e-4) / 999, 15);
  });

  it.each([100, 250, 4000, 10000])('ends near ᾱ = 4e-5 at %s steps', (steps) => {
    const last = alphaBars(linear({ steps })).at(-1)!;
    // Discretisation makes it smaller at few steps: ln(1 − β) < −β.
    expect(Math.log(last / 4e-5)).toBeGreaterThan(-0.9);
    expect(Math.log(last / 4e-5)).toBeLessThan(0.1);
  });

  it('takes start and end as they are', () => {
    expect([...linear({ steps: 3, start: 0.25, end: 0.75 }).betas]).toEqual([0.25, 0.5, 0.75]);
    expect([...linear({ steps: 1, start: 0.1, end: 0.5 }).betas]).toEqual([0.1]);
  });

  it('takes its defaults from 21 steps on, of which ᾱ = 8e-9 is left', () => {
    expect(linear({ steps: 21 }).betas.at(-1)).toBeCloseTo(20 / 21, 12);
    expect(alphaBars(linear({ steps: 21 })).at(-1)).toBeCloseTo(8e-9, 9);
  });

  it.each([1, 10, 20])('refuses its defaults at %s steps and says what would do', (steps) => {
    expect(() => linear({ steps })).toThrow(
      new RangeError(
        `steps is ${steps}, too few for the default end, 0.02 scaled by 1000/steps, whose β is then ${20 / steps} and not in (0, 1): ` +
          'take at least 21 steps, give start and end, or use cosine or constantFraction',
      ),
    );
  });

  it('refuses a start or end outside (0, 1)', () => {
    expect(() => linear({ steps: 10, start: 0, end: 0.5 })).toThrow(
      new RangeError('start is 0, expected a β in (0, 1)'),
    );
    expect(() => linear({ steps: 10, start: 0.1, end: 1 })).toThrow(
      new RangeError('end is 1, expected a β in (0, 1)'),
    );
    expect(() => linear({ steps: 10, start: 0.1, end: Number.NaN })).toThrow('end is NaN');
  });

  it.each([0, -5, 2.5, Number.NaN, Number.POSITIVE_INFINITY])('refuses steps = %s', (steps) => {
    expect(() => linear({ steps })).toThrow(
      new RangeError(`steps is ${steps}, expected a whole number of at least 1`),
    );
  });
});
