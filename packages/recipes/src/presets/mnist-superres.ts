import type { Preset } from '../config/schema.js';
import { mnist } from './mnist.js';

/**
 * MNIST's digits from 7 × 7 pixels to 28 × 28 (Saharia et al. 2021), with the conditioning augmentation by which they follow
 * those that `mnist-7` draws, as a cascade (Ho et al. 2021).
 */
export const mnistSuperres: Preset = {
  ...mnist,
  data: { kind: 'mnist', condition: { kind: 'low-resolution', factor: 4, noise: 0.5 } },
  training: { ...mnist.training, labelDropout: 0 },
  sampling: { ...mnist.sampling, guidance: 0 },
};
