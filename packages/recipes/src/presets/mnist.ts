import type { Preset } from '../config/schema.js';

/** MNIST's digits by class, small enough to be learned in minutes on a laptop's processor. */
export const mnist: Preset = {
  data: { kind: 'mnist' },
  model: {
    _class_name: 'UNet2DModel',
    block_out_channels: [16, 32, 32],
    layers_per_block: 1,
    down_block_types: ['DownBlock2D', 'DownBlock2D', 'AttnDownBlock2D'],
    up_block_types: ['AttnUpBlock2D', 'UpBlock2D', 'UpBlock2D'],
    norm_num_groups: 8,
    attention_head_dim: 8,
  },
  process: { schedule: { kind: 'cosine' }, predicts: 'v' },
  training: {
    steps: 900,
    batch: 32,
    learningRate: 3e-3,
    warmUp: 100,
    decay: 'cosine',
    finalFraction: 0.03,
    betas: [0.9, 0.99],
    ema: { kind: 'warmed-up', decay: 0.995 },
    logEvery: 20,
    checkpointEvery: 150,
    sampleEvery: 300,
  },
  sampling: { sampler: 'dpm-solver++', steps: 20, guidance: 1, count: 60 },
};
