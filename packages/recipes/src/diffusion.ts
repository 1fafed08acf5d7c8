import type { ForwardProcess } from '@diffusion-ts/forward-process';
import { uncertainty } from '@diffusion-ts/losses';
import { SAMPLERS } from '@diffusion-ts/samplers';
import type { Built } from './build.js';
import type { RunConfig } from './config/schema.js';
import { blaming, ConfigError } from './config-error.js';
import { decoderOf, isUncertain } from './loss.js';
import { type DenoisingNetwork, denoisingNetworkOf, withParameters } from './network.js';
import { checkGiven, forwardOf, reverseOf } from './process.js';
import { type SamplingConfig, samplerOf, samplingProcess } from './sampling.js';
import { trainingOf } from './training.js';

/** A network that denoises, and the Gaussian process that it denoises. */
export interface Diffusion {
  /** The network, which tells noise from data. */
  readonly network: DenoisingNetwork;
  /** The process that makes noise of data. */
  readonly forward: ForwardProcess;
}

/**
 * The network and the process of a config whose data are numbers.
 * @throws ConfigError if the network or the process cannot be built, or do not go together, or the schedule is learned.
 */
export function diffusionOf(config: Pick<RunConfig, 'model' | 'process' | 'loss' | 'training'>): Diffusion {
  checkGiven(config.process);
  const denoising = denoisingNetworkOf(config.model, config.training.labelDropout > 0);
  const network = isUncertain(config) ? withParameters(denoising, uncertainty) : denoising;
  const forward = blaming('process.schedule: ', () => forwardOf(config.process));
  const never = (): never => {
    throw new Error('the network was asked');
  };
  blaming('process: ', () => reverseOf(forward, config.process, never, false));
  return { network, forward };
}

/** The same, as a trainer asks for it. */
export function buildDiffusion(config: RunConfig): Built {
  const { network, forward } = diffusionOf(config);
  return {
    network,
    forward,
    decoder: decoderOf(config.data),
    trainSteps: (rng) => trainingOf(config, network, forward, rng),
    sampler(settings) {
      checkFlowSampled(config, settings);
      return samplerOf(settings, forward);
    },
    process: (params, guidance = 0) => samplingProcess(network, params, forward, config.process, guidance),
  };
}

/** Coupled noise teaches a flow, E[ε − x_0 | x_t], which is that of no score: a sampler that adds noise needs one. */
function checkFlowSampled(
  { training: { coupling } }: RunConfig,
  { sampler, eta, churn }: SamplingConfig,
): void {
  if (coupling === 'independent') return;
  const because = `since training.coupling is ${coupling}, of which a network learns a flow and no score.`;
  if (SAMPLERS[sampler]!.noise !== 'none') {
    throw new ConfigError(
      `sampling.sampler is ${sampler}: expected one that adds no noise, such as ddim or heun, ${because}`,
    );
  }
  for (const [setting, value] of Object.entries({ eta, churn }))
    if (value !== null && value > 0)
      throw new ConfigError(`sampling.${setting} is ${value}: expected 0, ${because}`);
}
