/** The learning rate of an optimizer step; 0 is the first step. */
export type LearningRate = (step: number) => number;

/** How a learning rate falls. */
export interface DecayOptions {
  /** The rate at step 0. */
  readonly rate: number;
  /** From this step on the rate is `finalRate`. */
  readonly steps: number;
  /** Default 0. */
  readonly finalRate?: number;
}

/**
 * The same rate at every step.
 * @throws RangeError if the rate is negative or not finite.
 */
export function constantRate(rate: number): LearningRate {
  checkRate('rate', rate);
  return () => rate;
}

/**
 * Half a cosine from `rate` at step 0 to `finalRate` at step `steps` (Loshchilov & Hutter 2017, eq. 5, no restarts).
 * @throws RangeError if a rate is negative or not finite, or `steps` is less than 1.
 */
export function cosineDecay({ rate, steps, finalRate = 0 }: DecayOptions): LearningRate {
  checkDecay(rate, steps, finalRate);
  return (step) => finalRate + (rate - finalRate) * 0.5 * (1 + Math.cos(Math.PI * Math.min(step / steps, 1)));
}

/**
 * A straight line from `rate` at step 0 to `finalRate` at step `steps`.
 * @throws RangeError if a rate is negative or not finite, or `steps` is less than 1.
 */
export function linearDecay({ rate, steps, finalRate = 0 }: DecayOptions): LearningRate {
  checkDecay(rate, steps, finalRate);
  return (step) => rate + (finalRate - rate) * Math.min(step / steps, 1);
}

/**
 * The rate of `schedule`, times (step + 1)/steps during the first `steps` steps.
 * @throws RangeError if `steps` is less than 1.
 */
export function warmUp(steps: number, schedule: LearningRate): LearningRate {
  if (!(steps >= 1)) throw new RangeError(`steps of the warm-up must be at least 1, not ${steps}`);
  return (step) => schedule(step) * Math.min((step + 1) / steps, 1);
}

function checkDecay(rate: number, steps: number, finalRate: number): void {
  checkRate('rate', rate);
  checkRate('finalRate', finalRate);
  if (!(steps >= 1)) throw new RangeError(`steps must be at least 1, not ${steps}`);
}

function checkRate(name: string, rate: number): void {
  if (!(rate >= 0 && rate < Infinity))
    throw new RangeError(`${name} must be a finite number from 0 up, not ${rate}`);
}
