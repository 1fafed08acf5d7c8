import { expect, test } from 'vitest';
import { constantRate, cosineDecay, linearDecay, warmUp } from '../src/learning-rate.js';

test('a constant rate is the same at every step', () => {
  expect([0, 7, 1e9].map(constantRate(0.3))).toEqual([0.3, 0.3, 0.3]);
});

test('cosine decay is half a cosine from the rate to the final rate, and stays there', () => {
  const rate = cosineDecay({ rate: 2, steps: 300, finalRate: 1 });
  expect(rate(0)).toBe(2);
  expect(rate(100)).toBeCloseTo(1.75, 12); // (1 + cos 60°)/2 = 3/4
  expect(rate(150)).toBeCloseTo(1.5, 12);
  expect(rate(200)).toBeCloseTo(1.25, 12);
  expect(rate(300)).toBe(1);
  expect(rate(1000)).toBe(1);
});

test('linear decay is a straight line from the rate to the final rate, and stays there', () => {
  const rate = linearDecay({ rate: 2, steps: 4 });
  expect([0, 1, 2, 3, 4, 5].map(rate)).toEqual([2, 1.5, 1, 0.5, 0, 0]);
  expect(linearDecay({ rate: 1, steps: 2, finalRate: 3 })(1)).toBe(2);
});

test('a warm-up climbs to the schedule in equal parts and then leaves it alone', () => {
  const rate = warmUp(4, linearDecay({ rate: 8, steps: 8 }));
  expect([0, 1, 2, 3, 4, 7].map(rate)).toEqual([2, 3.5, 4.5, 5, 4, 1]);
});

test('a rate that is negative or not finite and a decay over less than one step are refused', () => {
  expect(() => constantRate(-1)).toThrow('rate must be a finite number from 0 up, not -1');
  expect(() => cosineDecay({ rate: Number.NaN, steps: 1 })).toThrow(/rate must be/);
  expect(() => linearDecay({ rate: 1, steps: 1, finalRate: Infinity })).toThrow(/finalRate must be/);
  expect(() => cosineDecay({ rate: 1, steps: 0 })).toThrow('steps must be at least 1, not 0');
  expect(() => warmUp(0, constantRate(1))).toThrow(/warm-up must be at least 1/);
});
