import type { Preset } from '../config/schema.js';

/** Colour images of any folder, scaled and cropped to 64×64. */
export const images: Preset = {
  data: { kind: 'images', height: 64, width: 64, flip: true },
  model: {
    _class_name: 'UNet2DModel',
    block_out_channels: [64, 128, 256, 256],
    layers_per_block: 2,
    down_block_types: ['DownBlock2D', 'DownBlock2D', 'AttnDownBlock2D', 'AttnDownBlock2D'],
    up_block_types: ['AttnUpBlock2D', 'AttnUpBlock2D', 'UpBlock2D', 'UpBlock2D'],
    norm_num_groups: 32,
    attention_head_dim: 32,
  },
  process: { schedule: { kind: 'cosine' }, predicts: 'v' },
  training: {
    steps: 100_000,
    batch: 32,
    learningRate: 2e-4,
    warmUp: 500,
    decay: 'cosine',
    ema: { kind: 'warmed-up', decay: 0.9995 },
    checkpointEvery: 1000,
    sampleEvery: 2000,
  },
  sampling: { sampler: 'ddim', steps: 50 },
};
