import { golden } from '@diffusion-ts/testing';
import {
  constantFraction,
  cosine,
  type DiscreteSchedule,
  linear,
  quadratic,
  rescaleToZeroTerminalSnr,
  sigmoid,
} from '../src/index.js';

export interface GoldenRow {
  name: string;
  steps: number;
  index: number[];
  beta: number[];
  alpha_bar: number[];
  posterior_variance: number[];
  posterior_mean_coef_x0: number[];
  posterior_mean_coef_xt: number[];
  log_snr: number[];
  beta_sum: number;
  alpha_bar_sum: number;
}

export const goldenRows: GoldenRow[] = golden('schedules');

const byName: Record<string, (steps: number) => DiscreteSchedule> = {
  linear: (steps) => linear({ steps }),
  'linear scaled by 1000/T': (steps) => linear({ steps }),
  'linear unscaled': (steps) => linear({ steps, start: 1e-4, end: 0.02 }),
  cosine: (steps) => cosine({ steps }),
  'quadratic (scaled_linear)': (steps) => quadratic({ steps, start: 0.00085, end: 0.012 }),
  'sigmoid (alpha-bar, start -3, end 3, tau 1)': (steps) => sigmoid({ steps, start: -3, end: 3, tau: 1 }),
  'constant fraction beta_t=1/(T-t+1)': (steps) => constantFraction({ steps }),
  'linear rescaled to zero terminal SNR': (steps) => rescaleToZeroTerminalSnr(linear({ steps })),
};

/** Our schedule for a row of the golden file; throws for a row that has none, so that none goes unchecked. */
export function scheduleOf(row: GoldenRow): DiscreteSchedule {
  const make = byName[row.name];
  if (make === undefined) throw new Error(`no schedule for the golden row '${row.name}'`);
  return make(row.steps);
}
