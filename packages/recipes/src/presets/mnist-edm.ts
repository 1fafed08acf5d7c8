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
  training: { ...mnist.training, timesteps: 'log-normal' },
  sampling: { ...mnist.sampling, sampler: 'heun', steps: 18 },
};
