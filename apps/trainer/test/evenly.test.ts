import { describe, expect, it } from 'vitest';
import { evenly } from '../src/evenly.js';

describe('some of many items', () => {
  it('are evenly spread, the first and the last among them', () => {
    const hundred = Array.from({ length: 101 }, (_, i) => i);
    expect(evenly(hundred, 5)).toEqual([0, 25, 50, 75, 100]);
    expect(evenly([1, 2, 3, 4], 2)).toEqual([1, 4]);
    expect(evenly([1, 2, 3, 4], 3)).toEqual([1, 3, 4]);
  });

  it('are all of them where there are no more, as a list of its own', () => {
    const three = [1, 2, 3];
    expect(evenly(three, 3)).toEqual(three);
    expect(evenly(three, 8)).toEqual(three);
    expect(evenly(three, 8)).not.toBe(three);
  });
});
