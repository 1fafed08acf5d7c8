import type { Rng } from '@diffusion-ts/tensor';

/** The normal distribution that `logNormalSigma` or `logitNormalTimes` draws from; each has defaults of its own. */
export interface NormalOptions {
  /** Its mean. */
  readonly mean?: number;
  /** Its standard deviation, positive. */
  readonly deviation?: number;
}

/**
 * Draws of N(mean, deviation²) on the host, each from the stream of its row.
 * @throws RangeError if the mean is no number or the deviation is not positive.
 */
export function normals({
  mean,
  deviation,
}: Required<NormalOptions>): (rng: Rng, count: number) => Float64Array {
  if (!Number.isFinite(mean)) throw new RangeError(`mean must be a number, not ${mean}`);
  if (!(deviation > 0 && deviation < Infinity)) {
    throw new RangeError(`deviation must be a positive number, not ${deviation}`);
  }
  return (rng, count) => {
    const z = rng.normal([count]);
    const values = Float64Array.from(z.dataSync(), (one) => mean + deviation * one);
    z.dispose();
    return values;
  };
}
