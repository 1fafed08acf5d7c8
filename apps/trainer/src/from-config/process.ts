import { type ForwardProcess, gaussianDiffusion } from '@diffusion-ts/forward-process';
import { type ReverseProcess, reverseProcess } from '@diffusion-ts/reverse-process';
import {
  constantFraction,
  cosine,
  fromBetas,
  linear,
  type NoiseSchedule,
  quadratic,
  rescaleToZeroTerminalSnr,
  sigmoid,
} from '@diffusion-ts/schedules';
import type { Denoiser } from '@diffusion-ts/tensor';
import type { RunConfig } from '../config/schema.js';

export function forwardOf({ schedule, zeroTerminalSnr }: RunConfig['process']): ForwardProcess {
  const plain = scheduleOf(schedule);
  return gaussianDiffusion(zeroTerminalSnr ? rescaleToZeroTerminalSnr(plain) : plain);
}

/** The reverse process of a network. `clip` keeps its x_0 in [−1, 1]: for images, where nothing is learned from it. */
export function reverseOf(
  forward: ForwardProcess,
  { predicts, variance }: RunConfig['process'],
  denoiser: Denoiser,
  clip: boolean,
): ReverseProcess {
  return reverseProcess({ forward, denoiser, predicts, variance, clip });
}

/** The schedule that is named, before its end is brought to zero signal. */
export function scheduleOf(config: RunConfig['process']['schedule']): NoiseSchedule {
  switch (config.kind) {
    case 'linear':
      return linear(bounded(config));
    case 'cosine':
      return cosine(config);
    case 'quadratic':
      return quadratic(bounded(config));
    case 'sigmoid':
      return sigmoid(config);
    case 'constant-fraction':
      return constantFraction(config);
    case 'betas':
      return fromBetas(config.betas);
  }
}

/** Only the bounds that are given, the others being the schedule's own. */
function bounded({
  steps,
  start,
  end,
}: {
  steps: number;
  start?: number | undefined;
  end?: number | undefined;
}): {
  steps: number;
  start?: number;
  end?: number;
} {
  return { steps, ...(start !== undefined && { start }), ...(end !== undefined && { end }) };
}
