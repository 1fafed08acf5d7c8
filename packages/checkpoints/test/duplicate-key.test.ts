import fc from 'fast-check';
import { expect, it } from 'vitest';
import { duplicateKey } from '../src/duplicate-key.js';

it('finds a key that is written twice in one object, however it is spelled', () => {
  expect(duplicateKey('{"a":1,"b":{},"a":2}')).toBe('a');
  expect(duplicateKey('{"a":1 , "\\u0061" : 2}')).toBe('a');
  expect(duplicateKey('{"x":[{"y":1,"z":{"z":1},"y":2}]}')).toBe('y');
  expect(duplicateKey('{"__proto__":1,"__proto__":2}')).toBe('__proto__');
});

it('accepts a key that recurs in another object or as a value', () => {
  expect(duplicateKey('{"a":{"a":"a"},"b":["a","a:","\\"a\\":"],"c":{"a":1}}')).toBeUndefined();
});

it('finds nothing in what JSON.stringify writes', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.integer({ min: 0, max: 3 }), (value, indent) => {
      expect(duplicateKey(JSON.stringify(value, null, indent))).toBeUndefined();
    }),
  );
});
