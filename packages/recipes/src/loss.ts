import type { Categorical, Gaussian } from '@diffusion-ts/forward-process';
import {
  crossEntropy,
  crossEntropyHybrid,
  type Decoder,
  erfDecoder,
  huber,
  hybrid,
  type Loss,
  l1,
  l2,
  logProb,
  maskedCrossEntropy,
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
import type { ReverseProcess } from '@diffusion-ts/reverse-process';
import type { RunConfig } from './config/schema.js';
import { ConfigError } from './config-error.js';
import { isPoints } from './points.js';

type SimpleConfig = Extract<RunConfig['loss'], { kind: 'simple' }>;
type WeightingConfig = SimpleConfig['weighting'];

const NORMS = { l1, l2, huber } as const;

/**
 * The loss of a config on numbers: images are discrete values to the bound, points are not.
 * @throws ConfigError
 */
export function lossOf({ loss, data }: Pick<RunConfig, 'loss' | 'data'>): Loss {
  const decoder = boundDecoderOf(data);
  if (loss.kind === 'variational-bound') return variationalBound({ decoder });
  if (loss.kind !== 'simple' && loss.kind !== 'hybrid') {
    throw new ConfigError(
      `loss.kind is ${loss.kind}: expected simple, variational-bound or hybrid, since the data are numbers and the way to the noise is fixed.`,
    );
  }
  const { norm, weighting } = loss;
  const options = { norm: NORMS[norm], weighting: weightingOf(weighting) };
  return loss.kind === 'simple' ? simple(options) : hybrid({ ...options, decoder, lambda: loss.lambda });
}

/** Whether the noise levels of a loss are balanced by a learned uncertainty. */
export function isUncertain({ loss }: Pick<RunConfig, 'loss'>): boolean {
  return loss.kind === 'simple' && loss.uncertainty;
}

type OnClasses = Loss<ReverseProcess<Categorical>>;

/** The losses on classes by their names in a config. */
const CLASS_LOSSES: Readonly<Record<string, (config: { kind: string; lambda?: number }) => OnClasses>> = {
  'variational-bound': () => variationalBound<Categorical>(),
  'cross-entropy': () => crossEntropy(),
  'cross-entropy-hybrid': crossEntropyHybrid,
  'masked-cross-entropy': () => maskedCrossEntropy(),
};

/**
 * The loss of a config on classes.
 * @throws ConfigError
 */
export function classLossOf({ loss }: Pick<RunConfig, 'loss'>): OnClasses {
  const make = CLASS_LOSSES[loss.kind];
  if (make !== undefined) return make(loss);
  throw new ConfigError(
    `loss.kind is ${loss.kind}: expected one of ${Object.keys(CLASS_LOSSES).join(', ')}, since the data are classes.`,
  );
}

/** Whether the data have a density: they are no bytes. */
export function isDense(data: RunConfig['data']): boolean {
  return isPoints(data) || data.kind === 'latents';
}

/** How x_0 is read off in the last step of the bound, to learn by. */
export function boundDecoderOf(data: RunConfig['data']): Decoder<Gaussian> {
  return isDense(data) ? logProb : tanhDecoder;
}

/** The same, to evaluate with. */
export function decoderOf(data: RunConfig['data']): Decoder<Gaussian> {
  return isDense(data) ? logProb : erfDecoder;
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
