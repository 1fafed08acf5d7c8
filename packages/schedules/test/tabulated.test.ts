import { expectAllClose } from '@diffusion-ts/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { constantFraction, fromBetas, linear } from '../src/index.js';
import { goldenRows, scheduleOf } from './golden-schedules.js';
import { alphaBars, discreteSchedules, expectNoNaN, levels, snrs } from './levels.js';

const pick = (table: ArrayLike<number>, row: { index: number[] }) => row.index.map((t) => table[t]!);
const sum = (table: Float64Array) => table.reduce((a, b) => a + b, 0);

const betasOfAnySize = fc.array(fc.double({ min: 1e-9, max: 0.999, noNaN: true }), {
  minLength: 1,
  maxLength: 50,
});

describe.each(goldenRows)('the golden schedule: $name, $steps steps', (row) => {
  const schedule = scheduleOf(row);
  const close = { relative: 1e-9, absolute: 1e-15 };

  it('has the reference β and ᾱ, and their sums', () => {
    const table = alphaBars(schedule);
    expectAllClose(pick(schedule.betas, row), row.beta, close);
    expectAllClose(pick(table, row), row.alpha_bar, close);
    expectAllClose([sum(schedule.betas), sum(table)], [row.beta_sum, row.alpha_bar_sum], close);
  });

  it('has the reference log-SNR, −Infinity included', () => {
    const table = levels(schedule).map(({ logSnr }) => logSnr);
    expectAllClose(pick(table, row), row.log_snr, { relative: 1e-9, absolute: 1e-9 });
  });

  it('holds no NaN', () => expectNoNaN(schedule));
});

describe('a discrete schedule', () => {
  it('has the running product of 1 − β as its ᾱ, to the last bits', () => {
    fc.assert(
      fc.property(betasOfAnySize, (betas) => {
        let product = 1;
        const products = betas.map((beta) => (product *= 1 - beta));
        expectAllClose(alphaBars(fromBetas(betas)), products, { relative: 3e-16, absolute: 0 });
      }),
    );
  });

  it('falls in ᾱ and SNR from step to step, and never holds NaN', () => {
    fc.assert(
      fc.property(betasOfAnySize, (betas) => {
        const s = fromBetas(betas);
        expectNoNaN(s);
        for (let t = 1; t < s.steps; t++) {
          expect(s.level(t).alpha).toBeLessThan(s.level(t - 1).alpha);
          expect(s.level(t).logSnr).toBeLessThan(s.level(t - 1).logSnr);
        }
      }),
    );
  });

  it('keeps all digits of the SNR while ᾱ is near 1', () => {
    const s = fromBetas([1e-17, 1e-17, 1e-17]);
    expectAllClose(snrs(s), [1e17, 1e17 / 2, 1e17 / 3], { relative: 1e-12, absolute: 0 });
    expectAllClose(
      levels(s).map(({ logSnr }) => logSnr),
      snrs(s).map(Math.log),
      { relative: 1e-15, absolute: 0 },
    );
  });

  it('is linear in log-SNR between whole times: at 2.25 three quarters of 2 and a quarter of 3', () => {
    const s = linear({ steps: 100 });
    const [before, after] = [s.level(2).logSnr, s.level(3).logSnr];
    expectAllClose(s.level(2.25).logSnr, 0.75 * before + 0.25 * after, { relative: 1e-15, absolute: 0 });
    expectAllClose(s.timeOf(0.75 * before + 0.25 * after), 2.25, { relative: 1e-13, absolute: 0 });
  });

  it('is linear in noise to signal between the data and its first time', () => {
    for (const s of Object.values(discreteSchedules)) {
      if (s.level(0).alpha === 0) continue;
      const { alpha, sigma } = s.level(-0.75);
      const first = s.level(0);
      expectAllClose(sigma / alpha, (0.25 * first.sigma) / first.alpha, { relative: 1e-14, absolute: 0 });
      expectAllClose(s.timeOf(2 * Math.log(alpha / sigma)), -0.75, { relative: 1e-13, absolute: 0 });
    }
  });

  it('is linear in signal to noise before a last time of no signal', () => {
    const s = constantFraction({ steps: 10 });
    const { alpha, sigma } = s.level(8.75);
    const last = s.level(8);
    expectAllClose(alpha / sigma, (0.25 * last.alpha) / last.sigma, { relative: 1e-14, absolute: 0 });
    expectAllClose(s.timeOf(2 * Math.log(alpha / sigma)), 8.75, { relative: 1e-13, absolute: 0 });
  });

  it('does not jump at its whole times', () => {
    for (const s of Object.values(discreteSchedules)) {
      for (let t = 0; t < s.steps; t++) {
        const at = s.level(t);
        for (const near of [s.level(t - 1e-9), s.level(Math.min(t + 1e-9, s.end))]) {
          expectAllClose([near.alpha, near.sigma], [at.alpha, at.sigma], { relative: 0, absolute: 1e-8 });
        }
      }
    }
  });

  it('of one step to pure noise has as much signal as noise half-way', () => {
    const s = constantFraction({ steps: 1 });
    expectAllClose(s.level(-0.5).logSnr, 0, { absolute: 1e-15 });
    expectAllClose(s.level(-0.9).logSnr, 2 * Math.log(9), { relative: 1e-14 });
    expectAllClose(s.timeOf(2 * Math.log(9)), -0.9, { relative: 1e-14 });
  });

  it('gives pure noise exactly where nothing of x_0 is left', () => {
    for (let steps = 1; steps <= 300; steps++) {
      const { alpha, sigma } = constantFraction({ steps }).level(steps - 1);
      expect([alpha, sigma]).toEqual([0, 1]);
    }
  });

  it('is the data at −1 and finds every whole time by its log-SNR, exactly', () => {
    for (const s of Object.values(discreteSchedules)) {
      expect([s.start, s.least, s.end]).toEqual([-1, 0, s.steps - 1]);
      for (let t = -1; t < s.steps; t++) expect(s.timeOf(s.level(t).logSnr)).toBe(t);
    }
  });
});
