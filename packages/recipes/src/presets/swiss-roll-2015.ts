import type { Preset } from '../config/schema.js';

/**
 * The Swiss roll in the forty steps of Sohl-Dickstein et al. 2015, section 3.1.1, with a learned variance, trained on the bound
 * alone. The rates β_t are given here, and learned there; the network is an MLP in the place of radial basis functions.
 */
export const swissRoll2015: Preset = {
  data: { kind: 'swiss-roll' },
  model: { _class_name: 'MLP' },
  process: {
    // From below the variance of the roll's noise, so that the last step is not blind to it.
    schedule: { kind: 'linear', steps: 40, start: 5e-4, end: 0.3 },
    predicts: 'v',
    variance: 'learned',
  },
  loss: { kind: 'variational-bound' },
  training: {
    steps: 6000,
    batch: 256,
    learningRate: 3e-3,
    warmUp: 100,
    decay: 'cosine',
    finalFraction: 0.01,
    betas: [0.9, 0.99],
    ema: { kind: 'warmed-up', decay: 0.998 },
    labelDropout: 0,
    checkpointEvery: 2000,
    sampleEvery: 2000,
  },
  sampling: { sampler: 'ancestral', steps: null, count: 2000 },
};
