import type { Tensor } from '@tensorflow/tfjs-core';
import { expect } from 'vitest';

type Numbers = ArrayLike<number> | Tensor | number;

function numbers(x: Numbers): ArrayLike<number> {
  if (typeof x === 'number') return [x];
  return 'dataSync' in x ? x.dataSync() : x;
}

/**
 * Asserts |actual − expected| ≤ absolute + relative · |expected| for every element; the message names the worst one.
 * NaN equals NaN and an infinity equals itself.
 */
export function expectAllClose(
  actual: Numbers,
  expected: Numbers,
  { relative = 1e-5, absolute = 1e-6 }: { relative?: number; absolute?: number } = {},
): void {
  const a = numbers(actual);
  const b = numbers(expected);
  expect(a.length, 'number of elements').toBe(b.length);
  let worst = -1;
  let excess = 0;
  for (let i = 0; i < b.length; i++) {
    const x = a[i]!;
    const y = b[i]!;
    if (Object.is(x, y) || x === y) continue;
    const over = Math.abs(x - y) - (absolute + relative * Math.abs(y));
    if (!(over <= 0) && !(over <= excess)) {
      worst = i;
      excess = over;
    }
  }
  if (worst >= 0) {
    expect.fail(
      `element ${worst} of ${b.length} is ${a[worst]}, expected ${b[worst]} within ${relative} relative and ${absolute} absolute`,
    );
  }
}
