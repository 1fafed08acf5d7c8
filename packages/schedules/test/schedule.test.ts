import { expectAllClose } from '@diffusion-ts/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NoiseSchedule } from '../src/index.js';
import { preservingSchedules, schedules } from './levels.js';

const part = fc.integer({ min: 0, max: 2 ** 30 }).map((k) => k / 2 ** 30);
const timeAt = ({ start, end }: NoiseSchedule, u: number) => start + u * (end - start);

describe.each(Object.entries(schedules))('every schedule, such as: %s', (_, schedule) => {
  const { start, least, end } = schedule;

  it('holds the data alone at its start', () => {
    expect(schedule.level(start)).toEqual({
      t: start,
      alpha: 1,
      sigma: 0,
      logSnr: Number.POSITIVE_INFINITY,
    });
    expect(schedule.timeOf(Number.POSITIVE_INFINITY)).toBe(start);
  });

  it('finds its end and its least noise again by their log-SNR', () => {
    expect(schedule.timeOf(schedule.level(end).logSnr)).toBe(end);
    expectAllClose(schedule.timeOf(schedule.level(least).logSnr), least, { relative: 1e-12, absolute: 0 });
  });

  it('has timeOf as the inverse of level, whole times or not', () => {
    fc.assert(
      fc.property(part, (u) => {
        const t = timeAt(schedule, u);
        expectAllClose(schedule.timeOf(schedule.level(t).logSnr), t, { relative: 1e-12, absolute: 1e-12 });
      }),
    );
  });

  it('has level as the inverse of timeOf', () => {
    // Further out a time in float64, near the data or near pure noise, tells log-SNRs apart less and less.
    const low = Math.max(schedule.level(end).logSnr, -15);
    const high = Math.max(schedule.level(least).logSnr, low + 1);
    fc.assert(
      fc.property(part, (u) => {
        const wanted = low + u * (high - low);
        expectAllClose(schedule.level(schedule.timeOf(wanted)).logSnr, wanted, {
          relative: 0,
          absolute: 1e-9,
        });
      }),
    );
  });

  it('falls strictly in log-SNR and in signal to noise', () => {
    fc.assert(
      fc.property(part, part, (u, v) => {
        fc.pre(Math.abs(u - v) > 1e-6);
        const cleaner = schedule.level(timeAt(schedule, Math.min(u, v)));
        const noisier = schedule.level(timeAt(schedule, Math.max(u, v)));
        expect(noisier.logSnr).toBeLessThan(cleaner.logSnr);
        expect(noisier.alpha * cleaner.sigma).toBeLessThan(cleaner.alpha * noisier.sigma);
      }),
    );
  });

  it('has λ = ln(α²/σ²), and says of which time', () => {
    fc.assert(
      fc.property(part, (u) => {
        const t = timeAt(schedule, u);
        const level = schedule.level(t);
        expect(level.t).toBe(t);
        expectAllClose(level.logSnr, 2 * Math.log(level.alpha / level.sigma), {
          relative: 1e-12,
          absolute: 1e-12,
        });
      }),
    );
  });

  it('refuses a time outside it, and what is none', () => {
    for (const t of [start - 1e-6, end + 1e-6, Number.NaN]) {
      expect(() => schedule.level(t)).toThrow(
        new RangeError(`t is ${t}, expected a time of the schedule, ${start} … ${end}`),
      );
    }
  });

  it('refuses a log-SNR below its noisiest, and what is none', () => {
    expect(() => schedule.timeOf(Number.NaN)).toThrow('logSnr is NaN');
    const { logSnr } = schedule.level(end);
    if (logSnr === Number.NEGATIVE_INFINITY) return;
    expect(() => schedule.timeOf(logSnr - 2)).toThrow(
      new RangeError(
        `logSnr is ${logSnr - 2} (σ/α = ${Math.exp(1 - logSnr / 2)}), expected at least ` +
          `${logSnr} (σ/α = ${Math.exp(-logSnr / 2)}), that of the noisiest level of the schedule, at ${end}`,
      ),
    );
  });
});

it.each(Object.entries(preservingSchedules))('variance is preserved, α² + σ² = 1: %s', (_, schedule) => {
  fc.assert(
    fc.property(part, (u) => {
      const { alpha, sigma } = schedule.level(timeAt(schedule, u));
      expectAllClose(alpha ** 2 + sigma ** 2, 1, { relative: 1e-13, absolute: 0 });
    }),
  );
});
