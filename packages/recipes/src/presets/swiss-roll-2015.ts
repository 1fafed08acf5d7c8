import type { Preset } from '../config/schema.js';

/**
 * The Swiss roll in the forty steps of Sohl-Dickstein et al. 2015, section 3.1.1, their rates β_t learned with the network on
 * the bound alone; the last of them reads the data off z_0. The network is an MLP in the place of radial basis functions, and
 * the variance, learned there, is that of the posterior.
 */
export const swissRoll2015: Preset = {
  data: { kind: 'swiss-roll' },
  model: { _class_name: 'MLP' },
  process: {
    // From below the variance of the roll's noise, so that the last step is not blind to it.
    schedule: { kind: 'learned', min: -7, max: 6, steps: 39 },
    predicts: 'v',
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
