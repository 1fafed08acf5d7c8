import type { Preset } from '../config/schema.js';

/** First names, letter by letter under masks: what is not masked yet tells a mixer what the others may be. */
export const names: Preset = {
  data: { kind: 'names' },
  model: { _class_name: 'Mixer', hidden: 64, layers: 3 },
  process: {
    schedule: { kind: 'constant-fraction', steps: 50 },
    noise: 'absorbing',
    predicts: 'x0',
  },
  loss: { kind: 'variational-bound' },
  training: {
    steps: 2000,
    batch: 64,
    learningRate: 3e-3,
    warmUp: 100,
    decay: 'cosine',
    finalFraction: 0.03,
    epsilon: 1e-12,
    maxGradNorm: null,
    ema: { kind: 'warmed-up', decay: 0.995 },
    labelDropout: 0,
    checkpointEvery: 500,
    sampleEvery: 1000,
  },
  sampling: { sampler: 'ancestral', steps: null, count: 60 },
};
