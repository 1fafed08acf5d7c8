import { cosine, linear } from '@diffusion-ts/schedules';
import { expectAllClose } from '@diffusion-ts/testing';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { gaussian } from '../src/index.js';

const deviations = fc.double({ min: 0.05, max: 3, noNaN: true });
const means = fc.double({ min: -2, max: 2, noNaN: true });

/** KL(N(mean, variance) ‖ N(0, 1)) in bits. */
const klFromStandardNormal = (mean: number, variance: number): number =>
  (0.5 * (mean ** 2 + variance - 1 - Math.log(variance))) / Math.LN2;

it('with the exact variances the bound is the entropy and what q(x_T) differs from N(0, 1): not a bit is lost', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 200 }), means, deviations, (steps, mean, deviation) => {
      const schedule = cosine({ steps });
      const data = gaussian({ mean, deviation });
      const last = schedule.alphaBars[steps - 1]!;
      const lost = klFromStandardNormal(Math.sqrt(last) * mean, last * deviation ** 2 + 1 - last);
      expectAllClose(data.bound(schedule).bitsPerDim, data.entropy + lost, {
        relative: 1e-9,
        absolute: 1e-9,
      });
    }),
  );
});

it('any other variance makes every term longer', () => {
  const schedule = linear({ steps: 30 });
  const data = gaussian({ mean: 0.2, deviation: 0.5 });
  const best = data.bound(schedule);
  for (const factor of [0.9, 1.1]) {
    const other = data.bound(
      schedule,
      data.reverseVariance(schedule).map((variance) => variance * factor),
    );
    expect(other.reconstruction).toBeGreaterThan(best.reconstruction);
    other.transitions.forEach((bits, i) => {
      expect(bits).toBeGreaterThan(best.transitions[i]!);
    });
    expect(other.prior).toBe(best.prior);
  }
});

it('the exact variance lies between β̃ and β for data narrower than the noise', () => {
  const schedule = linear({ steps: 30 });
  const variances = gaussian({ mean: 0, deviation: 0.5 }).reverseVariance(schedule);
  variances.forEach((variance, t) => {
    expect(variance).toBeGreaterThan(schedule.posteriorVariance[t]!);
    expect(variance).toBeLessThan(schedule.betas[t]!);
  });
});

it('is the reconstruction alone where the noise takes one small step', () => {
  const data = gaussian({ mean: 0, deviation: 1 });
  const { transitions, reconstruction, prior, bitsPerDim } = data.bound(
    linear({ steps: 1, start: 0.5, end: 0.5 }),
  );
  expect(transitions.length).toBe(0);
  // x_0 given x_1 has half the variance of x_0; q(x_1 | x_0) has mean x_0/√2 and variance ½.
  expectAllClose(reconstruction, 0.5 * Math.log2(2 * Math.PI * Math.E * 0.5));
  expectAllClose(prior, 0.5 * Math.log2(2));
  expectAllClose(bitsPerDim, data.entropy);
});
