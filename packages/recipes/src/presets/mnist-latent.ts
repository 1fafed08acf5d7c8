import type { Preset } from '../config/schema.js';
import { mnist } from './mnist.js';

/** Digits by class in the latents of a run of `mnist-vae`, which `--data` names (Rombach et al. 2022). */
export const mnistLatent: Preset = {
  data: { kind: 'latents', path: 'runs/mnist-vae' },
  model: {
    _class_name: 'UNet2DModel',
    block_out_channels: [64],
    layers_per_block: 2,
    down_block_types: ['AttnDownBlock2D'],
    up_block_types: ['AttnUpBlock2D'],
    norm_num_groups: 8,
    attention_head_dim: 16,
  },
  process: { schedule: { kind: 'cosine' }, predicts: 'v', clip: null },
  training: {
    ...mnist.training,
    steps: 1000,
    batch: 64,
    learningRate: 2e-3,
    checkpointEvery: 250,
    sampleEvery: 500,
  },
  sampling: mnist.sampling,
};
