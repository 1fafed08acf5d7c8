import { expect, test } from 'vitest';
import {
  continuous,
  isPureNoise,
  linear,
  rectified,
  rescaleToZeroTerminalSnr,
  varianceExploding,
} from '../src/index.js';

test('a level is pure noise where float32 has no digit of the data left', () => {
  const tangent = continuous((u) => -2 * Math.log(Math.tan((Math.PI * u) / 2)));
  for (const level of [
    rectified().level(1),
    tangent.level(1),
    rescaleToZeroTerminalSnr(linear({ steps: 40 })).level(39),
  ])
    expect(isPureNoise(level)).toBe(true);
  for (const level of [
    rectified().level(0.999),
    varianceExploding().level(80),
    linear({ steps: 1000 }).level(999),
  ])
    expect(isPureNoise(level)).toBe(false);
  const at = (sigma: number): boolean => isPureNoise(varianceExploding({ sigmaMax: 2 ** 24 }).level(sigma));
  expect([at(2 ** 23 * 1.001), at(2 ** 23 * 0.999)]).toEqual([true, false]);
});
