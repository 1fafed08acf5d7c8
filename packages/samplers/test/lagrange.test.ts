import { expect, test } from 'vitest';
import { lagrange } from '../src/lagrange.js';

test('the integral over [0, 1] of the polynomial through three values is Simpson’s rule', () => {
  const factors = lagrange([0, 0.5, 1], [1, 1 / 2, 1 / 3]);
  [1 / 6, 4 / 6, 1 / 6].forEach((factor, k) => {
    expect(factors[k]).toBeCloseTo(factor, 14);
  });
});

test('of steps before the present the factors are those of Adams and Bashforth', () => {
  const factors = lagrange([0, -1, -2, -3], [1, 1 / 2, 1 / 3, 1 / 4]);
  [55 / 24, -59 / 24, 37 / 24, -9 / 24].forEach((factor, k) => {
    expect(factors[k]).toBeCloseTo(factor, 13);
  });
});

test('a polynomial of the degree that the nodes allow is met exactly', () => {
  const nodes = [0.3, -1.2, 2.5];
  // The functional is the value at u = 7.
  const factors = lagrange(nodes, [1, 7, 49]);
  const p = (u: number): number => 2 - 3 * u + 0.5 * u ** 2;
  expect(nodes.reduce((sum, u, k) => sum + factors[k]! * p(u), 0)).toBeCloseTo(p(7), 11);
});
