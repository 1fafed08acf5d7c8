import { expect } from 'vitest';
import {
  constantFraction,
  continuous,
  cosine,
  type DiscreteSchedule,
  fromBetas,
  linear,
  type NoiseLevel,
  type NoiseSchedule,
  quadratic,
  rectified,
  rescaleToZeroTerminalSnr,
  sigmoid,
  varianceExploding,
} from '../src/index.js';

/** The levels at the whole times 0 … T − 1. */
export function levels({ steps, level }: DiscreteSchedule): NoiseLevel[] {
  return Array.from({ length: steps }, (_, t) => level(t));
}

/** ᾱ_t = α_t² at the whole times. */
export function alphaBars(schedule: DiscreteSchedule): Float64Array {
  return Float64Array.from(levels(schedule), ({ alpha }) => alpha ** 2);
}

/** α²/σ² at the whole times. */
export function snrs(schedule: DiscreteSchedule): Float64Array {
  return Float64Array.from(levels(schedule), ({ alpha, sigma }) => (alpha / sigma) ** 2);
}

/** Asserts that there is a β and a level for each step and that no number is NaN. */
export function expectNoNaN(schedule: DiscreteSchedule): void {
  expect(schedule.betas.length).toBe(schedule.steps);
  expect(schedule.betas.findIndex(Number.isNaN), 'first NaN in betas').toBe(-1);
  const bad = levels(schedule).find((level) => Object.values(level).some(Number.isNaN));
  expect(bad, 'first level with NaN').toBe(undefined);
}

/** A schedule as somebody else may write one: its methods stand on a prototype and need their `this`. */
export class Instance implements DiscreteSchedule {
  readonly steps: number;
  readonly betas: Float64Array;
  readonly start: number;
  readonly least: number;
  readonly end: number;
  readonly #of: DiscreteSchedule;

  constructor(of: DiscreteSchedule) {
    this.#of = of;
    this.steps = of.steps;
    this.betas = of.betas;
    this.start = of.start;
    this.least = of.least;
    this.end = of.end;
  }

  level(t: number): NoiseLevel {
    return this.#of.level(t);
  }

  timeOf(logSnr: number): number {
    return this.#of.timeOf(logSnr);
  }
}

/** Discrete schedules of every kind, those of no signal at the end and of a single step among them. */
export const discreteSchedules: Record<string, DiscreteSchedule> = {
  linear: linear({ steps: 100 }),
  cosine: cosine({ steps: 50 }),
  quadratic: quadratic({ steps: 40 }),
  sigmoid: sigmoid({ steps: 30 }),
  'constant fraction': constantFraction({ steps: 60 }),
  'zero terminal SNR': rescaleToZeroTerminalSnr(linear({ steps: 100 })),
  'two steps': constantFraction({ steps: 2 }),
  'one step': fromBetas([0.3]),
  'one step to pure noise': constantFraction({ steps: 1 }),
};

export const preservingSchedules: Record<string, NoiseSchedule> = {
  ...discreteSchedules,
  'continuous cosine': continuous((u) => -2 * Math.log(Math.tan((Math.PI * u) / 2))),
  'linear in log-SNR': continuous((u) => 13.3 - 18.3 * u),
};

/** A schedule of every kind there is. */
export const schedules: Record<string, NoiseSchedule> = {
  ...preservingSchedules,
  'variance exploding': varianceExploding(),
  'variance exploding, narrow': varianceExploding({ sigmaMin: 0.5, sigmaMax: 2 }),
  rectified: rectified(),
  'rectified, shifted': rectified({ shift: 3 }),
  'rectified, shifted to the data': rectified({ shift: 0.1 }),
};
