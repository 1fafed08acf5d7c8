import type { ForwardProcess } from '@diffusion-ts/forward-process';
import type { RunConfig } from './config/schema.js';
import { blaming } from './config-error.js';
import { type Network, networkOf } from './network.js';
import { forwardOf, reverseOf } from './process.js';

/** What a complete config stands for. */
export interface Built {
  readonly network: Network;
  readonly forward: ForwardProcess;
}

/** @throws ConfigError if the network or the process cannot be built, or do not go together. */
export function build(config: Pick<RunConfig, 'model' | 'process' | 'training'>): Built {
  const network = networkOf(config.model, config.training.labelDropout > 0);
  const forward = blaming('process.schedule: ', () => forwardOf(config.process));
  const never = (): never => {
    throw new Error('the network was asked');
  };
  blaming('process: ', () => reverseOf(forward, config.process, never, false));
  return { network, forward };
}
