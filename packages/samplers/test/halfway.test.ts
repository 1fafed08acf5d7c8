import { linear, rectified, rescaleToZeroTerminalSnr, varianceExploding } from '@diffusion-ts/schedules';
import { expect, test } from 'vitest';
import { halfway } from '../src/halfway.js';

test('half-way in λ the ratio of noise to signal is the geometric mean of the two, on every schedule', () => {
  for (const [schedule, t, s] of [
    [linear({ steps: 1000 }), 930, 12.5],
    [varianceExploding(), 80, 0.05],
    [rectified(), 0.97, 0.02],
  ] as const) {
    const [from, to] = [schedule.level(t), schedule.level(s)];
    const middle = halfway(from, to, schedule)!;
    const ratio = (level: typeof from): number => level.sigma / level.alpha;
    expect(ratio(middle) / Math.sqrt(ratio(from) * ratio(to))).toBeCloseTo(1, 9);
    expect(middle.t).toBeLessThan(t);
    expect(middle.t).toBeGreaterThan(s);
  }
});

test('a step to the data has no middle, nor one from pure noise', () => {
  const schedule = rescaleToZeroTerminalSnr(linear({ steps: 40 }));
  expect(halfway(schedule.level(12), schedule.level(-1), schedule)).toBeUndefined();
  expect(halfway(schedule.level(39), schedule.level(12), schedule)).toBeUndefined();
  expect(halfway(rectified().level(1), rectified().level(0), rectified())).toBeUndefined();
});
