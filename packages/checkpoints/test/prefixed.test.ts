import { expect, it } from 'vitest';
import { prefixed, unprefixed } from '../src/index.js';

it('every name of a tree takes the prefix, and its value stays', () => {
  expect(prefixed({ 'a.weight': [1, 0], b: [0] }, 'm.')).toEqual({ 'm.a.weight': [1, 0], 'm.b': [0] });
});

it('of two trees in one the prefix gives back each, in its order', () => {
  const both = { ...prefixed({ y: 1, x: 2 }, 'm.'), ...prefixed({ y: 3, x: 4 }, 'v.'), step: 5 };
  expect(Object.entries(unprefixed(both, 'm.'))).toEqual([
    ['y', 1],
    ['x', 2],
  ]);
  expect(unprefixed(both, 'v.')).toEqual({ y: 3, x: 4 });
  expect(unprefixed(both, 'w.')).toEqual({});
});
