import fc from 'fast-check';
import { expect, it } from 'vitest';
import { boxMuller } from '../src/box-muller.js';

const pair = (word1: number, word2: number): readonly [number, number] => {
  const out = new Float64Array(2);
  boxMuller(out, 0, word1, word2);
  return [out[0]!, out[1]!];
};
const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });

it('agrees with the library logarithm, cosine and sine to 1e-12', () => {
  fc.assert(
    fc.property(word, word, (word1, word2) => {
      const radius = Math.sqrt(-2 * Math.log((word1 + 1) / 2 ** 32));
      const angle = (2 * Math.PI * word2) / 2 ** 32;
      const [c, s] = pair(word1, word2);
      expect(Math.abs(c - radius * Math.cos(angle))).toBeLessThan(1e-12);
      expect(Math.abs(s - radius * Math.sin(angle))).toBeLessThan(1e-12);
    }),
    { numRuns: 2000 },
  );
});

it('is finite at the ends of the words: the largest normal is √(64 ln 2)', () => {
  expect(pair(0, 0)[0]).toBeCloseTo(Math.sqrt(64 * Math.LN2), 12);
  expect(pair(2 ** 32 - 1, 2 ** 32 - 1)[0]).toBeCloseTo(0, 12);
});

it('turns by a quarter when the angle word grows by a quarter of its range', () => {
  const [c, s] = pair(12345, 1000);
  const [c1, s1] = pair(12345, 1000 + 2 ** 30);
  expect([c1, s1]).toEqual([-s, c]);
});
