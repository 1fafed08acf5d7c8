// The simple loss beside the term of the bound that it comes from, for each thing that a network may predict.

import { between, type DiscreteSchedule, type NoiseLevel } from '@diffusion-ts/schedules';
import type { PlanePrediction } from '../plane/config.js';

interface SimpleLoss {
  readonly symbol: string;
  readonly tex: string;
  /** What an error of the prediction makes of one of x_0, in standard deviations. */
  ofX0(level: NoiseLevel): number;
}

const both = (weight: string, error: string, where = ''): string =>
  String.raw`\begin{aligned} L_{t-1} &= ${weight}\,${error} \\[6pt] L_{\text{simple}} &= ${error}${where} \end{aligned}`;

export const SIMPLE_LOSSES: Readonly<Record<PlanePrediction, SimpleLoss>> = {
  epsilon: {
    symbol: 'ε',
    tex: both(
      String.raw`\frac{\beta_t^2}{2\tilde\beta_t\,\alpha_t(1-\bar\alpha_t)}`,
      String.raw`\big\|\epsilon - \epsilon_\theta(x_t,t)\big\|^2`,
    ),
    ofX0: ({ alpha, sigma }) => sigma / alpha,
  },
  x0: {
    symbol: 'x₀',
    tex: both(
      String.raw`\frac{\bar\alpha_{t-1}\,\beta_t^2}{2\tilde\beta_t\,(1-\bar\alpha_t)^2}`,
      String.raw`\big\|x_0 - x_\theta(x_t,t)\big\|^2`,
    ),
    ofX0: () => 1,
  },
  v: {
    symbol: 'v',
    tex: both(
      String.raw`\frac{\bar\alpha_{t-1}\,\beta_t^2}{2\tilde\beta_t\,(1-\bar\alpha_t)}`,
      String.raw`\big\|v - v_\theta(x_t,t)\big\|^2`,
      String.raw` \\[2pt] v &= \sqrt{\bar\alpha_t}\,\epsilon - \sqrt{1-\bar\alpha_t}\,x_0`,
    ),
    ofX0: ({ sigma }) => sigma,
  },
};

/** What a squared error of the prediction at index t weighs in L_{t−1} of the fixed variance β̃, in bits (eq. 12 of Ho et al.). */
export function boundWeight(predicts: PlanePrediction, schedule: DiscreteSchedule, t: number): number {
  const level = schedule.level(t);
  const { ofX0, variance } = between(schedule.level(t - 1), level);
  return (ofX0 * SIMPLE_LOSSES[predicts].ofX0(level)) ** 2 / (2 * variance) / Math.LN2;
}
