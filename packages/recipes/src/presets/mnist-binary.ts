import type { Preset } from '../config/schema.js';
import { mnist } from './mnist.js';

/** MNIST's digits in black and white, two classes a pixel under absorbing noise, trained on the bound. */
export const mnistBinary: Preset = {
  data: { kind: 'mnist-binary' },
  model: mnist.model,
  process: {
    schedule: { kind: 'constant-fraction', steps: 200 },
    noise: 'absorbing',
    predicts: 'x0',
  },
  loss: { kind: 'cross-entropy-hybrid', lambda: 0.01 },
  training: { ...mnist.training, labelDropout: 0, learningRate: 2e-3 },
  sampling: { sampler: 'ancestral', steps: null, count: 60 },
};
