import type { ForwardProcess } from '@diffusion-ts/forward-process';
import type { Decoder } from '@diffusion-ts/losses';
import type { ReverseProcess } from '@diffusion-ts/reverse-process';
import type { Sampler } from '@diffusion-ts/samplers';
import type { NoiseSchedule } from '@diffusion-ts/schedules';
import type { Params, Rng } from '@diffusion-ts/tensor';
import type { TrainStepOptions } from '@diffusion-ts/training';
import { buildAutoencoder } from './autoencoder.js';
import { buildCategorical } from './categorical.js';
import { classesOf } from './classes.js';
import { buildClassifier, type Logits } from './classifier.js';
import { checkCondition } from './condition-image.js';
import type { RunConfig } from './config/schema.js';
import { buildDiffusion } from './diffusion.js';
import type { Network } from './network.js';
import type { SamplingConfig } from './sampling.js';
import { buildVariationalDiffusion, isLearned } from './variational-diffusion.js';

// Which distributions a process has is its own affair: what is built together fits together.
// biome-ignore lint/suspicious/noExplicitAny: see above.
type Any = any;

/** What a complete config stands for, of whatever kind: all that is asked for to train it, draw from it and measure it. */
export interface Built {
  /** The network, and what it says of the data. */
  readonly network: Network;
  /** The way from the data to x_T; where that is learned (an autoencoder, a schedule) that of fresh weights. */
  readonly forward: ForwardProcess<Any>;
  /** Of one x_T, where that does not look like data: the latents of an autoencoder. */
  readonly latentShape?: readonly number[];
  /**
   * Of a network that tells classes: the logits of p(y | x_t), for x_t of any schedule. Then nothing is drawn, and the three
   * that are for drawing throw ConfigError.
   */
  readonly classifier?: (params: Params, schedule: NoiseSchedule) => Logits;
  /** How the steps of training are taken; step s draws from `rng.fork(s)`. The caller calls `dispose` when done. */
  trainSteps(rng: Rng): TrainStepOptions<Any> & { dispose(): void };
  /**
   * The process of these weights, to sample from and to evaluate, guided where that is not 0. The caller calls `dispose`
   * when done.
   * @throws ConfigError if there is nothing to guide to.
   */
  process(params: Params, guidance?: number): ReverseProcess<Any> & { dispose(): void };
  /** @throws ConfigError if this process has no such sampler, or not such times. */
  sampler(settings: SamplingConfig): Sampler<Any>;
  /** How x_0 is read off in the last step of the bound, to evaluate with. */
  readonly decoder: Decoder<Any>;
}

/**
 * What a complete config stands for. Nothing is computed yet.
 * @throws ConfigError if the network or the process cannot be built, or do not go together.
 * @example
 * const config = parseConfig(PRESETS.moons, 'moons'); // complete but for what the data decide
 * const data = moons({ size: 10_000, seed: 0 });
 * const built = build({ ...config, model: fitModel(config, data) });
 * const params = built.network.init(rng(0));
 */
export function build(config: RunConfig): Built {
  const built = builtOf(config);
  checkCondition(config.data, built.network);
  return built;
}

function builtOf(config: RunConfig): Built {
  if (config.model._class_name === 'AutoencoderKL') return buildAutoencoder(config);
  if (config.model._class_name === 'Classifier') return buildClassifier(config);
  const onClasses = classesOf(config.data) !== undefined || config.process.noise !== 'gaussian';
  if (onClasses) return buildCategorical(config);
  return isLearned(config) ? buildVariationalDiffusion(config) : buildDiffusion(config);
}
