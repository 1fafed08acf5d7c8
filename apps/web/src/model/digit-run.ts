import { DIGIT_MODEL } from './digit-model.js';

export const DIGIT_STEPS = 1200;

/** What a run on digits is, in the words of the command line's config.json: its `mnist` preset. */
export const DIGIT_RUN = {
  data: { kind: 'mnist' },
  model: { _class_name: 'UNet2DModel', ...DIGIT_MODEL },
  process: { schedule: { kind: 'cosine', steps: 1000 }, predicts: 'v', variance: 'fixedSmall' },
  loss: { kind: 'simple' },
  training: {
    steps: DIGIT_STEPS,
    learningRate: 3e-3,
    warmUp: 50,
    decay: 'cosine',
    finalFraction: 0.03,
    betas: [0.9, 0.99],
    maxGradNorm: 1,
    ema: { kind: 'warmed-up', decay: 0.99 },
    timesteps: 'stratified',
    labelDropout: 0.1,
    seed: 0,
  },
} as const;
