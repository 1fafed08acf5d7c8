import { expect, it } from 'vitest';
import { parseJson } from '../src/index.js';

it('what Python writes beyond JSON is read: the infinities, NaN, and a byte-order mark', () => {
  expect(parseJson('\uFEFF{"a": -Infinity, "b": [Infinity, NaN], "c": 1e-5}')).toEqual({
    a: Number.NEGATIVE_INFINITY,
    b: [Number.POSITIVE_INFINITY, Number.NaN],
    c: 1e-5,
  });
});

it('within strings they are text, as is what looks like the end of one', () => {
  const value = { 'NaN "': '-Infinity', b: 'a\\"Infinity\\\\', c: ['NaN', '\uFEFF'] };
  expect(parseJson(JSON.stringify(value))).toEqual(value);
});

it.each(['', '{', 'nan', '[--Infinity]', '{"a": Infinity2}', "{'a': 1}", '[NaN NaN]'])(
  'no JSON is none: %s',
  (text) => {
    expect(() => parseJson(text)).toThrow(SyntaxError);
  },
);
