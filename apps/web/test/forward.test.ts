import { cosine } from '@diffusion-ts/schedules';
import { describe, expect, it } from 'vitest';
import { drawnSchedule, handlesOf, logistic, moved, parseHandles } from '../src/forward/drawn-schedule.js';

describe('a drawn schedule', () => {
  const handles = [8, 4, 2, 0, -2, -5, -9];

  it('has ᾱ = σ(ln SNR) at its handles', () => {
    const schedule = drawnSchedule(handles, 60);
    handles.slice(1).forEach((value, i) => {
      const { alpha, logSnr } = schedule.level(10 * (i + 1) - 1);
      expect(alpha ** 2).toBeCloseTo(logistic(value), 12);
      expect(logSnr).toBeCloseTo(value, 9);
    });
  });

  it('falls at every step, and its slope has no jumps', () => {
    const schedule = drawnSchedule([8, 7.9, 2, 1.9, 1.8, -12, -12.1], 6000);
    const slopes = Array.from(
      { length: 5999 },
      (_, t) => 6000 * (schedule.level(t + 1).logSnr - schedule.level(t).logSnr),
    );
    const jumps = slopes.slice(1).map((slope, i) => Math.abs(slope - slopes[i]!));
    expect(Math.max(...slopes)).toBeLessThan(0);
    // Straight lines would turn by 80 at the fourth and fifth handle.
    expect(Math.max(...jumps)).toBeLessThan(0.5);
  });

  it('goes back to where a preset has its handles', () => {
    const schedule = cosine({ steps: 600 });
    const back = drawnSchedule(handlesOf(schedule), 600);
    for (const t of [99, 199, 299, 399, 499]) {
      expect(back.level(t).alpha ** 2).toBeCloseTo(schedule.level(t).alpha ** 2, 2);
    }
  });

  it('keeps a handle between its neighbours', () => {
    expect(moved(handles, 3, 100)[3]).toBe(1.9);
    expect(moved(handles, 3, -100)[3]).toBe(-1.9);
    expect(moved(handles, 3, 0.5)).toEqual([8, 4, 2, 0.5, -2, -5, -9]);
  });

  it('is refused from an address unless its handles are seven falling numbers', () => {
    expect(parseHandles(handles.join(','))).toEqual(handles);
    for (const text of ['', '1,2,3,4,5,6,7', '8,4,2,0,-2,-5', '8,4,2,0,-2,-5,-99', '8,4,x,0,-2,-5,-9']) {
      expect(parseHandles(text)).toBeUndefined();
    }
  });
});
