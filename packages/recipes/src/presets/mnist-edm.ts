import type { Preset } from '../config/schema.js';
import { mnist } from './mnist.js';

/**
 * MNIST's digits by class as Karras et al. 2022 would have them: their preconditioning, distribution of noise and loss, and
 * Heun's method at 18 of their levels. The network and the length of `mnist`.
 */
export const mnistEdm: Preset = {
  ...mnist,
  // The deviation of MNIST's pixels in [−1, 1].
  process: { schedule: { kind: 'variance-exploding' }, predicts: 'edm', sigmaData: 0.62 },
  // More noise than the paper's mean of −1.2, since that is where it is decided which digit there will be: in so few steps most
  // of those drawn otherwise are none.
  training: { ...mnist.training, timesteps: 'log-normal', timestepsMean: 0 },
  sampling: { ...mnist.sampling, sampler: 'heun', steps: 18 },
};
