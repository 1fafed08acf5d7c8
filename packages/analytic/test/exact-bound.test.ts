import { fixedLarge, fixedSmall, learnedRange, type Variance } from '@diffusion-ts/reverse-process';
import { between, cosine, type DiscreteSchedule, linear, type NoiseLevel } from '@diffusion-ts/schedules';
import { expectAllClose } from '@diffusion-ts/testing';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { exactGaussian } from '../src/index.js';

const deviations = fc.double({ min: 0.05, max: 3, noNaN: true });
const means = fc.double({ min: -2, max: 2, noNaN: true });

/** KL(N(mean, variance) ‖ N(0, 1)) in bits. */
const klFromStandardNormal = (mean: number, variance: number): number =>
  (0.5 * (mean ** 2 + variance - 1 - Math.log(variance))) / Math.LN2;

it('with the exact variances the bound is the entropy and what q(x_T) differs from N(0, 1): not a bit is lost', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 200 }), means, deviations, (steps, mean, deviation) => {
      const schedule = cosine({ steps });
      const data = exactGaussian({ mean, deviation });
      const { alpha, sigma } = schedule.level(steps - 1);
      const lost = klFromStandardNormal(alpha * mean, (alpha * deviation) ** 2 + sigma ** 2);
      expectAllClose(data.bound(schedule).bitsPerDim, data.entropy + lost, {
        relative: 1e-9,
        absolute: 1e-9,
      });
    }),
  );
});

it('nor is one where the noise explodes and p(x_T) = N(0, σ_T²)', () => {
  const steps = 30;
  const level = (t: number): NoiseLevel => {
    const sigma = t === -1 ? 0 : 0.05 * 1.3 ** t;
    return { t, alpha: 1, sigma, logSnr: -2 * Math.log(sigma) };
  };
  // Its β have no say in the bound.
  const betas = new Float64Array(steps);
  const schedule: DiscreteSchedule = {
    ...{ steps, betas, start: -1, least: 0, end: steps - 1, level },
    timeOf: (logSnr) => Math.log(Math.exp(-logSnr / 2) / 0.05) / Math.log(1.3),
  };
  const [mean, deviation] = [0.3, 0.5];
  const { sigma } = level(steps - 1);
  const data = exactGaussian({ mean, deviation });
  const lost = klFromStandardNormal(mean / sigma, (deviation / sigma) ** 2 + 1);
  expectAllClose(data.bound(schedule).bitsPerDim, data.entropy + lost, { relative: 1e-9 });
});

it('any other variance makes every term longer', () => {
  const schedule = linear({ steps: 30 });
  const data = exactGaussian({ mean: 0.2, deviation: 0.5 });
  const best = data.bound(schedule);
  for (const factor of [0.9, 1.1]) {
    const other = data.bound(schedule, {
      ...data.variance,
      at: (schedule, t, s) => ({
        offset: Math.log(data.reverseVariance(schedule, t, s) * factor),
        ofRaw: 0,
      }),
    });
    expect(other.reconstruction).toBeGreaterThan(best.reconstruction);
    other.transitions.forEach((bits, i) => {
      expect(bits).toBeGreaterThan(best.transitions[i]!);
    });
    expect(other.prior).toBe(best.prior);
  }
});

it('a variance σ² costs ½ (ln(σ²/β̃) − 1 + Var[x_{t−1} | x_t]/σ²) nats a step: so do the two of Ho et al. 2020', () => {
  const schedule = linear({ steps: 30 });
  const data = exactGaussian({ mean: 0.2, deviation: 0.5 });
  const step = (t: number) => between(schedule.level(t - 1), schedule.level(t));
  const given: [Variance, (t: number) => number][] = [
    [fixedSmall, (t) => step(t).variance],
    [fixedLarge, (t) => schedule.betas[t]!],
  ];
  for (const [variance, of] of given) {
    const { transitions, reconstruction, bitsPerDim, prior } = data.bound(schedule, variance);
    const expected = Array.from({ length: 29 }, (_, i) => {
      const [t, least] = [i + 1, step(i + 1).variance];
      const surplus = data.reverseVariance(schedule, t, t - 1) / of(t);
      return (Math.log(of(t) / least) - 1 + surplus) / (2 * Math.LN2);
    });
    expectAllClose(transitions, expected, { relative: 1e-10, absolute: 1e-12 });
    // Both take β̃ of the next step at the data.
    const first = step(1).variance;
    expectAllClose(
      reconstruction,
      (Math.log(2 * Math.PI * first) + data.reverseVariance(schedule, 0, -1) / first) / (2 * Math.LN2),
      { relative: 1e-10, absolute: 1e-12 },
    );
    expect(bitsPerDim).toBeGreaterThan(data.entropy + 1e-3);
    expectAllClose(bitsPerDim, expected.reduce((total, bits) => total + bits, prior) + reconstruction, {
      relative: 1e-10,
    });
  }
});

it('of data half as wide as the noise a hundred steps with the variance β tell 1.0629 bits, of which 1.0471 are theirs', () => {
  const schedule = linear({ steps: 100 });
  const { bound } = exactGaussian({ mean: 0, deviation: 0.5 });
  const beta: Variance = {
    ...fixedLarge,
    at: (_, t) => ({ offset: Math.log(schedule.betas[t]!), ofRaw: 0 }),
  };
  expectAllClose(bound(schedule).bitsPerDim, 1.0471, { absolute: 5e-5 });
  expectAllClose(bound(schedule, beta).bitsPerDim, 1.0629, { absolute: 5e-5 });
});

it('the exact variance lies between β̃ and β for data narrower than the noise', () => {
  const schedule = linear({ steps: 30 });
  const { reverseVariance } = exactGaussian({ mean: 0, deviation: 0.5 });
  schedule.betas.forEach((beta, t) => {
    const { variance } = between(schedule.level(t - 1), schedule.level(t));
    expect(reverseVariance(schedule, t, t - 1)).toBeGreaterThan(variance);
    expect(reverseVariance(schedule, t, t - 1)).toBeLessThan(beta);
  });
});

it('is the reconstruction alone where the noise takes one small step', () => {
  const data = exactGaussian({ mean: 0, deviation: 1 });
  const { transitions, reconstruction, prior, bitsPerDim } = data.bound(
    linear({ steps: 1, start: 0.5, end: 0.5 }),
  );
  expect(transitions.length).toBe(0);
  // x_0 given x_1 has half the variance of x_0; q(x_1 | x_0) has mean x_0/√2 and variance ½.
  expectAllClose(reconstruction, 0.5 * Math.log2(2 * Math.PI * Math.E * 0.5));
  expectAllClose(prior, 0.5 * Math.log2(2));
  expectAllClose(bitsPerDim, data.entropy);
});

it('refuses a variance that a network says', () => {
  const { bound } = exactGaussian({ mean: 0, deviation: 1 });
  expect(() => bound(linear({ steps: 30 }), learnedRange)).toThrow(
    new RangeError('variance is learnedRange, which a network says, expected one that is fixed'),
  );
});
