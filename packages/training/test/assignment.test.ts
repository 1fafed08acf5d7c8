import fc from 'fast-check';
import { expect, it } from 'vitest';
import { assignment } from '../src/assignment.js';
import { leastCost, totalOf } from './permutations.js';

it('takes the pairs that anybody would: the diagonal, and against it', () => {
  expect([...assignment([0, 9, 9, 9, 0, 9, 9, 9, 0], 3)]).toEqual([0, 1, 2]);
  expect([...assignment([9, 9, 0, 9, 0, 9, 0, 9, 9], 3)]).toEqual([2, 1, 0]);
});

it('gives up the best pair of one for the sum of all', () => {
  // The greedy 1 + 8 costs 9.
  expect([...assignment([1, 2, 3, 8], 2)]).toEqual([1, 0]);
  // Of the products 1 2 3, 2 4 6, 3 6 9 the least is 3 + 4 + 3: large with small.
  expect([...assignment([1, 2, 3, 2, 4, 6, 3, 6, 9], 3)]).toEqual([2, 1, 0]);
});

it('sorts in one dimension: of |x − y|² the order of both is the same', () => {
  const x = Array.from({ length: 40 }, (_, i) => Math.sin(7 * i + 1));
  const y = Array.from({ length: 40 }, (_, i) => 3 * Math.cos(5 * i) - 1);
  const columns = assignment(
    x.flatMap((a) => y.map((b) => (a - b) ** 2)),
    40,
  );
  const rank = (values: number[], value: number): number => values.filter((other) => other < value).length;
  expect(x.map((value, i) => rank(y, y[columns[i]!]!) - rank(x, value))).toEqual(new Array(40).fill(0));
});

it('of none and of one there is one assignment', () => {
  expect([...assignment([], 0)]).toEqual([]);
  expect([...assignment([-3], 1)]).toEqual([0]);
});

it('is a permutation that costs no more than the best of all, whatever the costs, ties among them', () => {
  const cost = fc.oneof(fc.double({ min: -100, max: 100, noNaN: true }), fc.integer({ min: 0, max: 2 }));
  const square = fc
    .integer({ min: 1, max: 6 })
    .chain((size) =>
      fc.array(cost, { minLength: size * size, maxLength: size * size }).map((costs) => ({ size, costs })),
    );
  fc.assert(
    fc.property(square, ({ size, costs }) => {
      const columns = [...assignment(costs, size)];
      expect(columns.toSorted((a, b) => a - b)).toEqual(Array.from({ length: size }, (_, i) => i));
      expect(totalOf(costs, columns) - leastCost(costs, size)).toBeLessThan(1e-9);
    }),
  );
});

it('finds the best of the 5040 of seven', () => {
  const costs = Array.from({ length: 49 }, (_, k) => ((k * k * 37) % 101) + Math.sin(k));
  expect(totalOf(costs, assignment(costs, 7))).toBeCloseTo(leastCost(costs, 7), 12);
});
