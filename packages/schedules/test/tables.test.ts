import { expectAllClose } from '@diffusion-ts/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromBetas } from '../src/index.js';
import { expectNoNaN } from './every-table.js';
import { goldenRows, scheduleOf } from './golden-schedules.js';

const pick = (table: Float64Array, row: { index: number[] }) => row.index.map((t) => table[t]!);
const sum = (table: Float64Array) => table.reduce((a, b) => a + b, 0);

const betasOfAnySize = fc.array(fc.double({ min: 1e-9, max: 0.999, noNaN: true }), {
  minLength: 1,
  maxLength: 50,
});

describe.each(goldenRows)('the golden schedule: $name, $steps steps', (row) => {
  const schedule = scheduleOf(row);
  const close = { relative: 1e-9, absolute: 1e-15 };

  it('has the reference β and ᾱ, and their sums', () => {
    expectAllClose(pick(schedule.betas, row), row.beta, close);
    expectAllClose(pick(schedule.alphaBars, row), row.alpha_bar, close);
    expectAllClose([sum(schedule.betas), sum(schedule.alphaBars)], [row.beta_sum, row.alpha_bar_sum], close);
  });

  it('has the reference posterior', () => {
    expectAllClose(pick(schedule.posteriorVariance, row), row.posterior_variance, close);
    expectAllClose(pick(schedule.posteriorMeanCoefX0, row), row.posterior_mean_coef_x0, close);
    expectAllClose(pick(schedule.posteriorMeanCoefXt, row), row.posterior_mean_coef_xt, close);
  });

  it('has the reference log-SNR, −Infinity included', () => {
    expectAllClose(pick(schedule.logSnr, row), row.log_snr, { relative: 1e-9, absolute: 1e-9 });
  });

  it('holds no NaN', () => expectNoNaN(schedule));
});

describe('the tables of any schedule', () => {
  it('have ᾱ as the running product of α, and ᾱ_{t−1} one place behind it', () => {
    fc.assert(
      fc.property(betasOfAnySize, (betas) => {
        const { alphas, alphaBars, alphaBarsPrev } = fromBetas(betas);
        let product = 1;
        betas.forEach((beta, t) => {
          expect(alphaBarsPrev[t]).toBe(product);
          expect(alphas[t]).toBe(1 - beta);
          product *= 1 - beta;
          expect(alphaBars[t]).toBe(product);
        });
      }),
    );
  });

  it('have the posterior that Bayes gives for x_t | x_{t−1} and x_{t−1} | x_0', () => {
    fc.assert(
      fc.property(betasOfAnySize, (betas) => {
        const s = fromBetas(betas);
        for (let t = 1; t < s.steps; t++) {
          // The product of two Gaussians in x_{t−1}: precisions add, means are weighted by them.
          const likelihood = s.alphas[t]! / s.betas[t]!;
          const prior = 1 / (1 - s.alphaBarsPrev[t]!);
          if (!Number.isFinite(prior) || 1 - s.alphaBarsPrev[t]! < 1e-6) continue; // the subtraction here is too coarse
          const variance = 1 / (likelihood + prior);
          const actual = [s.posteriorVariance[t]!, s.posteriorMeanCoefXt[t]!, s.posteriorMeanCoefX0[t]!];
          const bayes = [
            variance,
            (variance * likelihood) / Math.sqrt(s.alphas[t]!),
            variance * prior * Math.sqrt(s.alphaBarsPrev[t]!),
          ];
          expectAllClose(actual, bayes, { relative: 1e-8, absolute: 0 });
        }
      }),
    );
  });

  it('have a posterior mean that maps the noiseless path √ᾱ_t x_0 onto √ᾱ_{t−1} x_0', () => {
    fc.assert(
      fc.property(betasOfAnySize, (betas) => {
        const s = fromBetas(betas);
        const mapped = s.alphaBars.map(
          (alphaBar, t) => s.posteriorMeanCoefX0[t]! + s.posteriorMeanCoefXt[t]! * Math.sqrt(alphaBar),
        );
        expectAllClose(mapped, s.alphaBarsPrev.map(Math.sqrt), { relative: 1e-12, absolute: 0 });
      }),
    );
  });

  it('fall in ᾱ and SNR from step to step, and never hold NaN', () => {
    fc.assert(
      fc.property(betasOfAnySize, (betas) => {
        const s = fromBetas(betas);
        expectNoNaN(s);
        for (let t = 1; t < s.steps; t++) {
          expect(s.alphaBars[t]).toBeLessThan(s.alphaBars[t - 1]!);
          expect(s.snr[t]).toBeLessThan(s.snr[t - 1]!);
          expect(s.posteriorVariance[t]).toBeGreaterThan(0);
          expect(s.posteriorVariance[t]).toBeLessThanOrEqual(s.betas[t]!);
        }
      }),
    );
  });

  it('keep all digits of the SNR while ᾱ is near 1', () => {
    const s = fromBetas([1e-17, 1e-17, 1e-17]);
    expectAllClose(s.snr, [1e17, 1e17 / 2, 1e17 / 3], { relative: 1e-12, absolute: 0 });
    expectAllClose(s.logSnr, s.snr.map(Math.log), { relative: 1e-15, absolute: 0 });
    expectAllClose(s.posteriorVariance, [0, 1e-17 / 2, (1e-17 * 2) / 3], { relative: 1e-12, absolute: 0 });
  });

  it('copy the clipped log-variance of index 0 from index 1', () => {
    const { posteriorVariance, posteriorLogVarianceClipped } = fromBetas([0.1, 0.2, 0.3]);
    expect(posteriorVariance[0]).toBe(0);
    // β̃_1 = 0.2 · 0.1 / (1 − 0.9 · 0.8)
    expect(posteriorLogVarianceClipped[0]).toBeCloseTo(Math.log(0.02 / 0.28), 12);
    expect(posteriorLogVarianceClipped[0]).toBe(posteriorLogVarianceClipped[1]);
    expect(posteriorLogVarianceClipped[2]).toBe(Math.log(posteriorVariance[2]!));
  });

  it('of a single step know x_0 exactly and take ln β_0 as the clipped log-variance', () => {
    const s = fromBetas([0.25]);
    expectNoNaN(s);
    expect([...s.posteriorVariance, ...s.posteriorMeanCoefX0, ...s.posteriorMeanCoefXt]).toEqual([0, 1, 0]);
    expect(s.posteriorLogVarianceClipped[0]).toBe(Math.log(0.25));
    expect(s.snr[0]).toBe(3);
  });
});
