import type { Preset } from '../config/schema.js';
import { mnist } from './mnist.js';

/** MNIST's digits by class in 7 × 7 pixels, learned in a minute: what `mnist-superres` enlarges. */
export const mnist7: Preset = {
  ...mnist,
  data: { kind: 'mnist', reduction: 4 },
  model: {
    _class_name: 'UNet2DModel',
    block_out_channels: [32],
    layers_per_block: 2,
    down_block_types: ['AttnDownBlock2D'],
    up_block_types: ['AttnUpBlock2D'],
    norm_num_groups: 8,
    attention_head_dim: 8,
  },
  training: { ...mnist.training, batch: 64 },
};
