import type { Preset } from '../config/schema.js';
import { mnist } from './mnist.js';

/**
 * MNIST's digits by class as a variational diffusion model (Kingma et al. 2021): the network and the length of `mnist`, with a
 * schedule that is learned, on the bound in continuous time.
 */
export const mnistVdm: Preset = {
  ...mnist,
  process: { schedule: { kind: 'learned' }, predicts: 'v' },
  loss: { kind: 'variational-bound' },
};
