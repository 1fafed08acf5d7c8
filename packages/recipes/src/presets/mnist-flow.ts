import type { Preset } from '../config/schema.js';
import { mnist } from './mnist.js';

/**
 * MNIST's digits by class by flow matching (Lipman et al. 2023; Liu et al. 2023) at the logit-normal times of Esser et al. 2024,
 * drawn in Euler's steps, which on straight paths are DDIM's. The network and the length of `mnist`.
 */
export const mnistFlow: Preset = {
  ...mnist,
  process: { schedule: { kind: 'rectified' }, predicts: 'flow' },
  training: { ...mnist.training, timesteps: 'logit-normal' },
  sampling: { ...mnist.sampling, sampler: 'ddim', steps: 32 },
};
