import type { Preset } from '../config/schema.js';

/** Colour images of any folder, scaled and cropped to 32×32: colours and shapes within an hour on a laptop's processor. */
export const images: Preset = {
  data: { kind: 'images', height: 32, width: 32, flip: true },
  model: {
    _class_name: 'UNet2DModel',
    block_out_channels: [32, 64, 128],
    layers_per_block: 1,
    down_block_types: ['DownBlock2D', 'DownBlock2D', 'AttnDownBlock2D'],
    up_block_types: ['AttnUpBlock2D', 'UpBlock2D', 'UpBlock2D'],
    norm_num_groups: 8,
    attention_head_dim: 32,
  },
  process: { schedule: { kind: 'cosine' }, predicts: 'v' },
  training: {
    steps: 4000,
    batch: 16,
    learningRate: 1e-3,
    warmUp: 200,
    decay: 'cosine',
    finalFraction: 0.03,
    betas: [0.9, 0.99],
    ema: { kind: 'warmed-up', decay: 0.998 },
    checkpointEvery: 200,
    sampleEvery: 200,
  },
  sampling: { sampler: 'dpm-solver++', steps: 20, count: 36 },
};

/** The same at 64×64, with a network of a stage more: overnight. */
export const images64: Preset = {
  ...images,
  data: { kind: 'images', height: 64, width: 64, flip: true },
  model: {
    ...images.model,
    block_out_channels: [32, 64, 64, 128],
    down_block_types: ['DownBlock2D', 'DownBlock2D', 'DownBlock2D', 'AttnDownBlock2D'],
    up_block_types: ['AttnUpBlock2D', 'UpBlock2D', 'UpBlock2D', 'UpBlock2D'],
  },
  training: { ...images.training, steps: 12_000, warmUp: 500, ema: { kind: 'warmed-up', decay: 0.999 } },
};
