import { describe, expect, it } from 'vitest';
import { mendLanguage } from '../src/ui/locale.js';
import { logTicks } from '../src/ui/log-ticks.js';
import { spokenNumber } from '../src/ui/spoken-number.js';
import { paperTime } from '../src/ui/time.js';

describe('a spoken number', () => {
  it('has a minus sign and not a hyphen, and powers of ten where it is small', () => {
    expect([-3.33484, 0, 0.00001234, -1 / 0].map((value) => spokenNumber(value, 2))).toEqual([
      '−3.33',
      '0',
      '1.2 · 10⁻⁵',
      '−∞',
    ]);
  });
});

describe('the language of a browser', () => {
  it('stays where it is one, and is English where it is none', () => {
    for (const [said, meant] of [
      ['de-DE', 'de-DE'],
      ['C', 'en'],
      ['en-US@posix', 'en'],
    ] as const) {
      const navigator = { language: said as string };
      mendLanguage(navigator);
      expect(navigator.language).toBe(meant);
    }
  });
});

describe('a time', () => {
  it('is counted from 1 as on paper, where it is a step, and as it is where time is continuous', () => {
    expect([0, 999].map((t) => paperTime(t, 1000))).toEqual([1, 1000]);
    expect(paperTime(0.1234, undefined)).toBe(0.12);
  });
});

describe('the ticks of a logarithmic axis', () => {
  it('are round, and at least three however near or far its ends are', () => {
    expect(logTicks(0.0008, 1.2)).toEqual([0.001, 0.01, 0.1, 1]);
    expect(logTicks(0.0043, 0.66)).toEqual([0.01, 0.03, 0.1, 0.3]);
    expect(logTicks(0.12, 1.1)).toEqual([0.2, 0.5, 1]);
    expect(logTicks(0.22, 1.15)).toEqual([0.3, 0.5, 0.7, 1]);
    expect(logTicks(0.13, 0.26)).toEqual([0.15, 0.2, 0.25]);
    expect(logTicks(0.98, 1.004)).toEqual([0.98, 0.985, 0.99, 0.995, 1]);
    expect(logTicks(1e-13, 2)).toEqual([1e-12, 1e-9, 1e-6, 1e-3, 1]);
  });
});
