import fc from 'fast-check';
import { expect, test } from 'vitest';
import { constantDecay, halfLife, warmedUpDecay } from '../src/ema-decay.js';

test('a constant decay is the same at every step', () => {
  expect([0, 1, 1e6].map((step) => constantDecay(0.9999)(step, 64))).toEqual([0.9999, 0.9999, 0.9999]);
});

test('the warmed-up decay is (s + 1)/(s + 10) until it reaches its limit', () => {
  const decay = warmedUpDecay(0.99);
  expect(decay(0, 64)).toBe(1 / 10);
  expect(decay(8, 64)).toBe(9 / 18);
  expect(decay(889, 64)).toBe(890 / 899);
  expect(decay(891, 64)).toBe(0.99);
  expect(decay(1e6, 64)).toBe(0.99);
});

test('without ramp-up a weight counts half after the half-life, whatever the batch size', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 1, max: 200 }), (batch, steps) => {
      const decay = halfLife({ images: batch * steps, rampUp: Infinity });
      const left = Array.from({ length: steps }, (_, step) => decay(step, batch)).reduce((a, b) => a * b, 1);
      expect(left).toBeCloseTo(0.5, 10);
    }),
  );
});

test('with ramp-up the half-life is a part of what was seen, then what it was set to', () => {
  const decay = halfLife({ images: 1000, rampUp: 0.1 });
  expect(decay(0, 50), 'the average starts from the weights').toBe(0);
  expect(decay(20, 50)).toBeCloseTo(0.5 ** (50 / 100), 12); // 1000 images seen
  expect(decay(200, 50)).toBeCloseTo(0.5 ** (50 / 1000), 12); // 10 000 images seen
  expect(decay(2000, 50)).toBeCloseTo(0.5 ** (50 / 1000), 12);
});

test('a decay outside 0 … 1 and a half-life that is not above 0 are refused', () => {
  expect(() => constantDecay(1.1)).toThrow('decay must be a number in 0 … 1, not 1.1');
  expect(() => warmedUpDecay(Number.NaN)).toThrow(/decay must be/);
  expect(() => halfLife({ images: 0 })).toThrow(/images must be/);
  expect(() => halfLife({ images: 1, rampUp: 0 })).toThrow(/rampUp must be/);
});
