import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { permutation } from '../src/permutation.js';

describe('permutation', () => {
  it('holds every index once, whatever the size, seed and epoch', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.maxSafeNat(), fc.maxSafeNat(), (size, seed, epoch) => {
        const sorted = permutation(size, seed, epoch).sort();
        expect([...sorted]).toEqual(Array.from({ length: size }, (_, i) => i));
      }),
    );
  });

  it('is the same for the same seed and epoch, and changes with either, high words included', () => {
    const base = permutation(100, 7, 3);
    expect(permutation(100, 7, 3)).toEqual(base);
    expect(permutation(100, 8, 3)).not.toEqual(base);
    expect(permutation(100, 7, 4)).not.toEqual(base);
    expect(permutation(100, 7 + 2 ** 32, 3)).not.toEqual(base);
    expect(permutation(100, 7, 3 + 2 ** 32)).not.toEqual(base);
  });

  it('takes all 24 orders of four things equally often', () => {
    const counts = new Map<string, number>();
    const epochs = 24_000;
    for (let epoch = 0; epoch < epochs; epoch++) {
      const order = permutation(4, 1, epoch).join();
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    const chiSquared = [...counts.values()].reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0);
    // 23 degrees of freedom: 49.7 is passed once in a thousand seeds.
    expect(chiSquared).toBeLessThan(49.7);
  });
});
