import type { ForwardProcess } from '@diffusion-ts/forward-process';
import type { Built } from './build.js';
import type { RunConfig } from './config/schema.js';
import { blaming } from './config-error.js';
import { decoderOf } from './loss.js';
import { type DenoisingNetwork, denoisingNetworkOf } from './network.js';
import { checkGiven, forwardOf, reverseOf } from './process.js';
import { samplerOf, samplingProcess } from './sampling.js';
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
export function diffusionOf(config: Pick<RunConfig, 'model' | 'process' | 'training'>): Diffusion {
  checkGiven(config.process);
  const network = denoisingNetworkOf(config.model, config.training.labelDropout > 0);
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
    sampler: (settings) => samplerOf(settings, forward),
    process: (params, guidance = 0) => samplingProcess(network, params, forward, config.process, guidance),
  };
}
