import { z } from 'zod';
import { between, flag, number, oneOf, section, text, whole } from './fields.js';

const image = { labels: flag().default(true) };
const path = text('the path of a folder').nullable().default(null);

function pointsOf<const K extends string>(kind: K) {
  return section({
    kind: z.literal(kind),
    size: whole(1, 10_000_000).default(20_000),
    seed: whole(0).default(0),
    labels: flag().default(false),
  });
}

const data = z.discriminatedUnion(
  'kind',
  [
    section({ kind: z.literal('mnist'), ...image }),
    section({ kind: z.literal('idx'), path, ...image }),
    section({
      kind: z.literal('images'),
      path,
      height: whole(1).default(64),
      width: whole(1).default(64),
      channels: z.union([z.literal(1), z.literal(3)], { error: '1 (grey) or 3 (colour)' }).default(3),
      flip: flag().default(false),
      labels: flag().default(false),
    }),
    pointsOf('swiss-roll'),
    pointsOf('moons'),
    pointsOf('checkerboard'),
    pointsOf('spiral'),
    pointsOf('gaussian-mixture'),
  ],
  { error: 'one of mnist, idx, images, swiss-roll, moons, checkerboard, spiral, gaussian-mixture' },
);

const steps = whole(1, 1_000_000).default(1000);
const maxBeta = between(0, 1).default(0.999);
const beta = between(0, 1);

const schedule = z.discriminatedUnion(
  'kind',
  [
    section({ kind: z.literal('linear'), steps, start: beta.optional(), end: beta.optional() }),
    section({ kind: z.literal('cosine'), steps, offset: number(0).default(0.008), maxBeta }),
    section({ kind: z.literal('quadratic'), steps, start: beta.optional(), end: beta.optional() }),
    section({
      kind: z.literal('sigmoid'),
      steps,
      start: z.number({ error: 'a number' }).default(-3),
      end: z.number({ error: 'a number' }).default(3),
      tau: between(0).default(1),
      maxBeta,
    }),
    section({ kind: z.literal('constant-fraction'), steps }),
    section({
      kind: z.literal('betas'),
      betas: z.array(beta, { error: 'a list of numbers in (0, 1)' }).min(1),
    }),
  ],
  { error: 'one of linear, cosine, quadratic, sigmoid, constant-fraction, betas' },
);

const weighting = z.discriminatedUnion(
  'kind',
  [
    section({ kind: z.literal('uniform') }),
    section({ kind: z.literal('min-snr'), gamma: between(0).default(5) }),
    section({ kind: z.literal('p2'), k: between(0).default(1), gamma: number(0).default(1) }),
    section({ kind: z.literal('x0-snr') }),
  ],
  { error: 'one of uniform, min-snr, p2, x0-snr' },
);

const norm = oneOf(['l2', 'l1', 'huber']).default('l2');
const loss = z.discriminatedUnion(
  'kind',
  [
    section({ kind: z.literal('simple'), norm, weighting: weighting.prefault({ kind: 'uniform' }) }),
    section({ kind: z.literal('variational-bound') }),
    section({
      kind: z.literal('hybrid'),
      norm,
      weighting: weighting.prefault({ kind: 'uniform' }),
      lambda: number(0).default(0.001),
    }),
  ],
  { error: 'one of simple, variational-bound, hybrid' },
);

const ema = z.discriminatedUnion(
  'kind',
  [
    section({ kind: z.literal('constant'), decay: number(0, 1).default(0.9999) }),
    section({ kind: z.literal('warmed-up'), decay: number(0, 1).default(0.9999) }),
    section({
      kind: z.literal('half-life'),
      images: whole(1).default(500_000),
      rampUp: between(0).default(0.05),
    }),
    section({ kind: z.literal('none') }),
  ],
  { error: 'one of constant, warmed-up, half-life, none' },
);

const process = section({
  schedule: schedule.prefault({ kind: 'linear' }),
  zeroTerminalSnr: flag().default(false),
  predicts: oneOf(['epsilon', 'x0', 'v', 'previous']).default('epsilon'),
  variance: oneOf(['fixedSmall', 'fixedLarge', 'learned', 'learnedRange']).default('fixedSmall'),
});

const training = section({
  steps: whole(1).default(10_000),
  batch: whole(1).default(64),
  microBatch: whole(1).nullable().default(null),
  learningRate: between(0).default(2e-4),
  warmUp: whole(0).default(0),
  decay: oneOf(['constant', 'cosine', 'linear']).default('constant'),
  finalFraction: number(0, 1).default(0),
  betas: z.tuple([number(0, 1), number(0, 1)], { error: 'two numbers in 0 … 1' }).default([0.9, 0.999]),
  epsilon: between(0).default(1e-8),
  weightDecay: number(0).default(0),
  maxGradNorm: between(0).nullable().default(1),
  ema: ema.prefault({ kind: 'warmed-up' }),
  timesteps: oneOf(['uniform', 'stratified', 'importance']).default('stratified'),
  labelDropout: number(0, 1).default(0.1),
  seed: whole(0).default(0),
  logEvery: whole(1).default(50),
  checkpointEvery: whole(1).default(1000),
  keep: whole(1).default(3),
  sampleEvery: whole(0).default(1000),
});

export const SAMPLERS = ['ancestral', 'ddim', 'dpm-solver++'] as const;

const sampling = section({
  sampler: oneOf(SAMPLERS).default('ddim'),
  steps: whole(1).nullable().default(50),
  eta: number(0).default(0),
  order: z.literal([1, 2, 3], { error: '1, 2 or 3' }).default(2),
  guidance: number(-1).default(0),
  count: whole(1).default(64),
});

/** Everything that a run is made of; what is left out has the default that is written into the run's config.json. */
export const runConfig = section({
  data,
  model: z.looseObject({ _class_name: oneOf(['UNet2DModel', 'MLP']) }, { error: 'an object' }),
  process: process.prefault({}),
  loss: loss.prefault({ kind: 'simple' }),
  training: training.prefault({}),
  sampling: sampling.prefault({}),
});

export type RunConfig = z.infer<typeof runConfig>;
