/**
 * How much of the moving average of the weights is kept at an optimizer step (0 is the first), in 0 … 1, given the number
 * of examples in a batch: ema ← decay · ema + (1 − decay) · params.
 */
export type EmaDecay = (step: number, batchSize: number) => number;

/**
 * The same decay at every step, as in Ho et al. 2020.
 * @throws RangeError if the decay is not in 0 … 1.
 */
export function constantDecay(decay: number): EmaDecay {
  checkDecay(decay);
  return () => decay;
}

/**
 * min(decay, (step + 1)/(step + 10)): a short memory at first, so that the initial weights are soon forgotten, and `decay`
 * in the long run.
 * @throws RangeError if the decay is not in 0 … 1.
 */
export function warmedUpDecay(decay: number): EmaDecay {
  checkDecay(decay);
  return (step) => Math.min(decay, (step + 1) / (step + 10));
}

/** How long a moving average remembers. */
export interface HalfLifeOptions {
  /** After this many examples a weight counts half. */
  readonly images: number;
  /** The half-life is never more than this part of the examples seen so far; default 0.05, and Infinity turns it off. */
  readonly rampUp?: number;
}

/**
 * A half-life in examples instead of steps, with ramp-up (Karras et al. 2022, appendix F.2): 0.5^(batch / half-life).
 * @throws RangeError if `images` or `rampUp` is not above 0.
 */
export function halfLife({ images, rampUp = 0.05 }: HalfLifeOptions): EmaDecay {
  if (!(images > 0)) throw new RangeError(`images must be a number above 0, not ${images}`);
  if (!(rampUp > 0)) throw new RangeError(`rampUp must be a number above 0, not ${rampUp}`);
  return (step, batchSize) => {
    if (rampUp === Infinity) return 0.5 ** (batchSize / images);
    // At step 0 the half-life is 0 and the average starts from the weights as they are.
    return 0.5 ** (batchSize / Math.min(images, step * batchSize * rampUp));
  };
}

function checkDecay(decay: number): void {
  if (!(decay >= 0 && decay <= 1)) throw new RangeError(`decay must be a number in 0 … 1, not ${decay}`);
}
