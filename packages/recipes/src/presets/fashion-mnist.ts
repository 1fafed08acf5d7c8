import type { Preset } from '../config/schema.js';
import { mnist } from './mnist.js';

/** Fashion-MNIST's clothes by class, from a folder of its four IDX files. */
export const fashionMnist: Preset = {
  ...mnist,
  data: { kind: 'idx' },
  model: { ...mnist.model, block_out_channels: [32, 64, 64] },
  training: {
    ...mnist.training,
    steps: 10_000,
    learningRate: 1e-3,
    ema: { kind: 'warmed-up', decay: 0.999 },
    sampleEvery: 1000,
  },
};
