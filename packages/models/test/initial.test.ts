import { rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import { expect, it } from 'vitest';
import { kaimingUniform, ones, standardNormal, zeros } from '../src/initial.js';

onEachBackend(() => {
  it('Kaiming weights are uniform on ±1/√fanIn: bounded, centred, of variance 1/(3 fanIn)', () => {
    const fanIn = 18;
    const weight = kaimingUniform(fanIn)(rng(1), [100, 100]);
    const values = Array.from(weight.dataSync());
    weight.dispose();
    const bound = 1 / Math.sqrt(fanIn);
    expect(Math.max(...values)).toBeLessThanOrEqual(bound);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(-bound);
    expect(Math.max(...values)).toBeGreaterThan(0.999 * bound);
    const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
    const variance = values.reduce((sum, x) => sum + x * x, 0) / values.length;
    // Five standard errors of 10,000 draws.
    expectAllClose(mean, 0, { absolute: (5 * bound) / Math.sqrt(3 * values.length) });
    expectAllClose(variance, bound ** 2 / 3, { relative: 5 * Math.sqrt(0.8 / values.length) });
  });

  it('norms begin as the identity, tables as normal draws', () => {
    const tensors = [
      zeros(rng(1), [2]),
      ones(rng(1), [2]),
      standardNormal(rng(1), [2, 2]),
      rng(1).normal([2, 2]),
    ];
    const [zero, one, table, draw] = tensors.map((tensor) => Array.from(tensor.dataSync()));
    expect(zero).toEqual([0, 0]);
    expect(one).toEqual([1, 1]);
    expect(table).toEqual(draw);
    for (const tensor of tensors) tensor.dispose();
  });

  it('leaves no tensors behind', () => expectNoLeak(() => kaimingUniform(9)(rng(1), [3, 3])));
});
