import type { ForwardProcess } from '@diffusion-ts/forward-process';
import type { RunConfig } from '../config/schema.js';
import { Refusal, sentence } from '../errors.js';
import { type Network, networkOf } from './network.js';
import { forwardOf } from './process.js';

/** What a complete config stands for. */
export interface Built {
  readonly network: Network;
  readonly forward: ForwardProcess;
}

export function build(config: RunConfig): Built {
  const network = networkOf(config.model, config.training.labelDropout > 0);
  try {
    return { network, forward: forwardOf(config.process) };
  } catch (error) {
    throw new Refusal(`process.schedule: ${sentence(error)}.`, { cause: error, exitCode: 2 });
  }
}
