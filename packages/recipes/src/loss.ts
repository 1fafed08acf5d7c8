import type { Gaussian } from '@diffusion-ts/forward-process';
import {
  type Decoder,
  erfDecoder,
  huber,
  hybrid,
  type Loss,
  l1,
  l2,
  logProb,
  maxSnrOne,
  minSnr,
  p2,
  sigmoidWeighting,
  simple,
  snrPlusOne,
  softMinSnr,
  tanhDecoder,
  unweighted,
  variationalBound,
  type Weighting,
  x0Snr,
} from '@diffusion-ts/losses';
import type { RunConfig } from './config/schema.js';
import { ConfigError } from './config-error.js';
import { isPoints } from './points.js';

type SimpleConfig = Extract<RunConfig['loss'], { kind: 'simple' }>;
type WeightingConfig = SimpleConfig['weighting'];

const NORMS = { l1, l2, huber } as const;

/** The loss of a config: images are discrete values to the bound, points are not. */
export function lossOf({ loss, data }: Pick<RunConfig, 'loss' | 'data'>): Loss {
  const decoder = isPoints(data) ? logProb : tanhDecoder;
  if (loss.kind === 'variational-bound') return variationalBound({ decoder });
  if (loss.kind === 'elbo') {
    throw new ConfigError(
      'loss.kind is elbo: expected simple, variational-bound or hybrid, since of a fixed way to the noise there is nothing to learn.',
    );
  }
  const { norm, weighting } = loss;
  const options = { norm: NORMS[norm], weighting: weightingOf(weighting) };
  return loss.kind === 'simple' ? simple(options) : hybrid({ ...options, decoder, lambda: loss.lambda });
}

/** How x_0 is read off in the last step of the bound, to evaluate with. */
export function decoderOf(data: RunConfig['data']): Decoder<Gaussian> {
  return isPoints(data) ? logProb : erfDecoder;
}

/** The weightings by their names in a config. */
const WEIGHTINGS: {
  readonly [K in WeightingConfig['kind']]: (config: Extract<WeightingConfig, { kind: K }>) => Weighting;
} = {
  uniform: () => unweighted,
  'min-snr': ({ gamma }) => minSnr(gamma),
  'soft-min-snr': ({ gamma }) => softMinSnr(gamma),
  p2,
  sigmoid: ({ bias }) => sigmoidWeighting(bias),
  'x0-snr': () => x0Snr,
  'max-snr-1': () => maxSnrOne,
  'snr-plus-1': () => snrPlusOne,
};

/** The weighting of a config. */
export function weightingOf(config: WeightingConfig): Weighting {
  return (WEIGHTINGS[config.kind] as (config: WeightingConfig) => Weighting)(config);
}
