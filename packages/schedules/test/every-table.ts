import { expect } from 'vitest';
import type { NoiseSchedule } from '../src/index.js';

/** Asserts that every table has one number for each step and that none of them is NaN. */
export function expectNoNaN(schedule: NoiseSchedule): void {
  const { steps, ...tables } = schedule;
  for (const [name, table] of Object.entries(tables)) {
    expect(table.length, name).toBe(steps);
    expect(table.findIndex(Number.isNaN), `first NaN in ${name}`).toBe(-1);
  }
}
