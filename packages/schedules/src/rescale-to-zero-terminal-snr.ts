import { said } from './check.js';
import type { DiscreteSchedule } from './schedule.js';
import { tabulated } from './tabulated.js';

/**
 * Shifts and scales √ᾱ so that it ends at 0 and starts where it did: algorithm 1 of Lin et al. 2024, "Common diffusion
 * noise schedules and sample steps are flawed". The last β is then 1, the last SNR 0 and its logarithm −Infinity, so a
 * network that predicts ε has nothing to say at the last step: predict v or x_0.
 *
 * @throws TypeError where it is no schedule of steps; RangeError where the schedule has one step only, whose start and end cannot differ.
 */
export function rescaleToZeroTerminalSnr(schedule: DiscreteSchedule): DiscreteSchedule {
  if (!Number.isInteger(schedule?.steps) || typeof schedule.level !== 'function') {
    throw new TypeError(
      `schedule is ${said(schedule)}, expected one of steps, such as linear({ steps: 1000 })`,
    );
  }
  const { steps } = schedule;
  if (steps < 2) throw new RangeError('schedule has 1 step, expected at least 2 to rescale');
  const roots = Float64Array.from({ length: steps }, (_, t) => schedule.level(t).alpha);
  const first = roots[0]!;
  const last = roots.at(-1)!;
  const alphaBars = roots.map((root) => (((root - last) * first) / (first - last)) ** 2);
  const betas = alphaBars.map((alphaBar, t) => 1 - alphaBar / (t === 0 ? 1 : alphaBars[t - 1]!));
  return tabulated(betas, alphaBars);
}
