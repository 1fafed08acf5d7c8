import type { Preset } from '../config/schema.js';

/** The CIFAR-10 model of Ho et al. 2020, appendix B (35.7 million parameters), on a folder of its images. */
export const cifar10Ddpm: Preset = {
  data: { kind: 'images', height: 32, width: 32, flip: true },
  model: {
    _class_name: 'UNet2DModel',
    block_out_channels: [128, 256, 256, 256],
    layers_per_block: 2,
    down_block_types: ['DownBlock2D', 'AttnDownBlock2D', 'DownBlock2D', 'DownBlock2D'],
    up_block_types: ['UpBlock2D', 'UpBlock2D', 'AttnUpBlock2D', 'UpBlock2D'],
    norm_num_groups: 32,
    norm_eps: 1e-6,
    attention_head_dim: null,
    downsample_padding: 0,
    flip_sin_to_cos: false,
    freq_shift: 1,
    dropout: 0.1,
  },
  process: { schedule: { kind: 'linear' }, predicts: 'epsilon', variance: 'fixedLarge' },
  training: {
    steps: 800_000,
    batch: 128,
    learningRate: 2e-4,
    warmUp: 5000,
    maxGradNorm: 1,
    ema: { kind: 'constant', decay: 0.9999 },
    timesteps: 'uniform',
    labelDropout: 0,
    logEvery: 100,
    checkpointEvery: 5000,
    sampleEvery: 10_000,
  },
  sampling: { sampler: 'ancestral', steps: null },
};
