import type { Preset } from '../config/schema.js';
import { mnist } from './mnist.js';

/** A classifier of MNIST's digits at all levels of noise, which guides what other runs draw (Dhariwal and Nichol 2021). */
export const mnistClassifier: Preset = {
  data: { kind: 'mnist' },
  model: {
    _class_name: 'Classifier',
    block_out_channels: [16, 32, 32],
    layers_per_block: 1,
    down_block_types: ['DownBlock2D', 'DownBlock2D', 'AttnDownBlock2D'],
    norm_num_groups: 8,
    attention_head_dim: 8,
  },
  process: { schedule: { kind: 'cosine' } },
  loss: { kind: 'cross-entropy' },
  training: { ...mnist.training, labelDropout: 0 },
};
