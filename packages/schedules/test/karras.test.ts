import { expectAllClose, golden } from '@diffusion-ts/testing';
import { describe, expect, it } from 'vitest';
import {
  constantFraction,
  cosine,
  karras,
  linear,
  rectified,
  rescaleToZeroTerminalSnr,
  varianceExploding,
} from '../src/index.js';

const rows =
  golden<{ n: number; sigma_min: number; sigma_max: number; rho: number; sigmas: number[] }[]>('karras');

/** σ/α at the times of a list, without the data at its end. */
const ratios = (schedule: ReturnType<typeof varianceExploding>, list: Float64Array) =>
  list.slice(0, -1).map((t) => schedule.level(t).sigma / schedule.level(t).alpha);

describe('karras', () => {
  it.each(rows)('matches the reference at $n steps', ({ n, sigma_min, sigma_max, rho, sigmas }) => {
    const bounds = { sigmaMin: sigma_min, sigmaMax: sigma_max };
    const schedule = varianceExploding(bounds);
    const given = karras({ steps: n, ...bounds, rho })(schedule);
    expectAllClose(given, [...sigmas, 0], { relative: 1e-12, absolute: 0 });
    expect(karras({ steps: n, rho })(schedule)).toEqual(given);
  });

  it('defaults to the paper’s ρ of 7 and to the bounds of the schedule', () => {
    const schedule = varianceExploding();
    expect(karras({ steps: 10 })(schedule)).toEqual(
      karras({ steps: 10, sigmaMin: 0.002, sigmaMax: 80, rho: 7 })(schedule),
    );
  });

  it('is linear in σ where ρ = 1', () => {
    expectAllClose(
      karras({ steps: 4, sigmaMin: 1, sigmaMax: 10, rho: 1 })(varianceExploding()),
      [10, 7, 4, 1, 0],
      { relative: 1e-14, absolute: 0 },
    );
  });

  it('is sigmaMax alone at one step', () => {
    expect([...karras({ steps: 1 })(varianceExploding())]).toEqual([80, 0]);
    expectAllClose(karras({ steps: 1, sigmaMax: 5 })(varianceExploding()), [5, 0], { relative: 1e-14 });
  });

  it('has the σ of eq. 5 as noise to signal on any schedule', () => {
    const [sigmaMin, sigmaMax] = [0.02, 30];
    const expected = Array.from(
      { length: 9 },
      (_, i) => (sigmaMax ** (1 / 7) + (i / 8) * (sigmaMin ** (1 / 7) - sigmaMax ** (1 / 7))) ** 7,
    );
    for (const schedule of [linear({ steps: 1000 }), cosine({ steps: 1000 }), rectified({ shift: 3 })]) {
      const list = karras({ steps: 9, sigmaMin, sigmaMax })(schedule);
      expectAllClose(ratios(schedule, list), expected, { relative: 1e-10, absolute: 0 });
      expect(list.at(-1)).toBe(schedule.start);
    }
  });

  it('goes from the end of a discrete schedule to its first time, by default', () => {
    const list = karras({ steps: 5 })(linear({ steps: 1000 }));
    expect([list[0], list[4], list[5]]).toEqual([999, 0, -1]);
  });

  it('takes a bound for the schedule’s own that differs from it by rounding', () => {
    const schedule = linear({ steps: 1000 });
    const { alpha, sigma } = schedule.level(999);
    for (const factor of [1 - 1e-13, 1, 1 + 1e-13]) {
      expect(karras({ steps: 5, sigmaMax: (sigma / alpha) * factor })(schedule)[0]).toBe(999);
    }
  });

  it('starts from pure noise where the schedule ends there, then has steps − 1 finite levels', () => {
    for (const schedule of [rescaleToZeroTerminalSnr(linear({ steps: 100 })), rectified()]) {
      const list = karras({ steps: 6 })(schedule);
      expect([list.length, list[0], list[5]]).toEqual([7, schedule.end, schedule.least]);
      const roots = ratios(schedule, list).map((sigma) => sigma ** (1 / 7));
      // As far from equal noise and signal on either side.
      expectAllClose(roots[1]! * roots[5]!, 1, { relative: 1e-9 });
      for (let i = 2; i < 5; i++) {
        expectAllClose(roots[i]! - roots[i + 1]!, roots[1]! - roots[2]!, { relative: 1e-9, absolute: 0 });
      }
      expect([...karras({ steps: 2 })(schedule)]).toEqual([schedule.end, schedule.least, schedule.start]);
    }
  });

  it('falls also where the first level has no more signal than noise', () => {
    const list = karras({ steps: 4 })(constantFraction({ steps: 2 }));
    expect([list[0], list[3], list[4]]).toEqual([1, 0, -1]);
    expect(list[1]).toBeLessThan(1);
    expect(list[2]).toBeLessThan(list[1]!);
    expect(list[2]).toBeGreaterThan(0);
  });

  it('refuses a sigmaMax beyond the noise of the schedule', () => {
    expect(() => karras({ steps: 5, sigmaMax: 81 })(varianceExploding())).toThrow(/\(σ\/α = 8[01].*, at 80$/);
  });

  it('refuses more levels than one where the two bounds leave no room', () => {
    expect(() => karras({ steps: 2, sigmaMin: 3, sigmaMax: 3 })(varianceExploding())).toThrow(
      /^2 noise levels were asked for from log-SNR -2\.197\d* to -2\.197\d*, expected the first to be the lower/,
    );
    // Below the least noise of the schedule, which is the other bound by default.
    expect(() => karras({ steps: 2, sigmaMax: 0.001 })(varianceExploding())).toThrow(RangeError);
  });

  it('refuses bounds in the wrong order and arguments that are not positive', () => {
    expect(() => karras({ steps: 10, sigmaMin: 2, sigmaMax: 1 })).toThrow(
      new RangeError('sigmaMin is 2, expected at most sigmaMax, which is 1'),
    );
    expect(() => karras({ steps: 10, sigmaMin: 0 })).toThrow('sigmaMin is 0, expected a positive number');
    expect(() => karras({ steps: 10, rho: Number.NaN })).toThrow('rho is NaN, expected a positive number');
    expect(() => karras({ steps: 0 })).toThrow('steps is 0, expected a whole number of at least 1');
  });
});
