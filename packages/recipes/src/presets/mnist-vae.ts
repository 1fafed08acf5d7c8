import type { Preset } from '../config/schema.js';
import { mnist } from './mnist.js';

/** MNIST's digits through 7 × 7 × 4 latents: the deck's VAE, and the first stage of latent diffusion. */
export const mnistVae: Preset = {
  data: { kind: 'mnist', labels: false },
  model: {
    _class_name: 'AutoencoderKL',
    block_out_channels: [16, 32, 32],
    down_block_types: ['DownEncoderBlock2D', 'DownEncoderBlock2D', 'DownEncoderBlock2D'],
    up_block_types: ['UpDecoderBlock2D', 'UpDecoderBlock2D', 'UpDecoderBlock2D'],
    latent_channels: 4,
    norm_num_groups: 8,
  },
  loss: { kind: 'elbo' },
  training: { ...mnist.training, learningRate: 2e-3, warmUp: 50 },
  sampling: { sampler: 'ancestral', steps: null, count: 60 },
};
