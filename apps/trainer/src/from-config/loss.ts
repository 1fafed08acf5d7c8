import {
  hybrid,
  type Loss,
  minSnr,
  p2,
  simple,
  uniform,
  variationalBound,
  type Weighting,
  x0Snr,
} from '@diffusion-ts/losses';
import type { RunConfig } from '../config/schema.js';
import { isPoints } from './data.js';

export function lossOf({ loss, data }: Pick<RunConfig, 'loss' | 'data'>): Loss {
  const decoder = isPoints(data) ? 'gaussian' : 'tanh';
  switch (loss.kind) {
    case 'simple':
      return simple({ norm: loss.norm, weighting: weightingOf(loss.weighting) });
    case 'variational-bound':
      return variationalBound({ decoder });
    case 'hybrid':
      return hybrid({
        norm: loss.norm,
        weighting: weightingOf(loss.weighting),
        lambda: loss.lambda,
        decoder,
      });
  }
}

/** One term of the bound at each example's timestep, to evaluate with. */
export function boundOf(data: RunConfig['data']): Loss {
  return variationalBound({ decoder: isPoints(data) ? 'gaussian' : 'erf' });
}

function weightingOf(config: Extract<RunConfig['loss'], { kind: 'simple' }>['weighting']): Weighting {
  switch (config.kind) {
    case 'uniform':
      return uniform;
    case 'min-snr':
      return minSnr(config.gamma);
    case 'p2':
      return p2(config);
    case 'x0-snr':
      return x0Snr;
  }
}
