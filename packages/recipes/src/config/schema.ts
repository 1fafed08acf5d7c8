import { PREDICTIONS, VARIANCES } from '@diffusion-ts/reverse-process';
import { SAMPLERS } from '@diffusion-ts/samplers';
import * as z from 'zod/mini';
import { between, flag, number, oneOf, section, text, whole } from './fields.js';

const defaults = z._default;

const noise = defaults(number(0), 0);
// What came later is left out where it is not given: a config of before stays what it was.
const prepared = {
  // Every pixel is the mean of so many in both directions.
  reduction: z.optional(whole(2, 64)),
  // What the network is told of x_0, and up to which deviation that is noised in training (conditioning augmentation).
  condition: z.optional(
    z.nullable(
      z.discriminatedUnion(
        'kind',
        [
          section({ kind: z.literal('low-resolution'), factor: whole(2, 64), noise }),
          section({ kind: z.literal('grey'), noise }),
        ],
        { error: 'one of low-resolution, grey, or null' },
      ),
    ),
  ),
};
const image = { labels: defaults(flag(), true), ...prepared };
const path = defaults(z.nullable(text('the path of a folder')), null);

const drawn = {
  size: defaults(whole(1, 10_000_000), 20_000),
  // Test data are drawn with the seed after it.
  seed: defaults(whole(0, Number.MAX_SAFE_INTEGER - 1), 0),
};

function pointsOf<const K extends string>(kind: K) {
  return section({ kind: z.literal(kind), ...drawn, labels: defaults(flag(), false) });
}

const data = z.discriminatedUnion(
  'kind',
  [
    section({ kind: z.literal('mnist'), ...image }),
    section({ kind: z.literal('idx'), path, ...image }),
    section({
      kind: z.literal('images'),
      path,
      height: defaults(whole(1), 64),
      width: defaults(whole(1), 64),
      channels: defaults(z.union([z.literal(1), z.literal(3)], { error: '1 (grey) or 3 (colour)' }), 3),
      flip: defaults(flag(), false),
      labels: defaults(flag(), false),
      ...prepared,
    }),
    pointsOf('swiss-roll'),
    pointsOf('moons'),
    pointsOf('checkerboard'),
    pointsOf('spiral'),
    pointsOf('gaussian-mixture'),
    section({ kind: z.literal('mnist-binary'), labels: defaults(flag(), false) }),
    section({ kind: z.literal('heartbeat'), ...drawn }),
    section({ kind: z.literal('names') }),
    section({
      kind: z.literal('latents'),
      path,
      labels: defaults(flag(), true),
      // What latents are multiplied by; null: measured before the run begins.
      scale: defaults(z.nullable(between(0)), null),
    }),
  ],
  {
    error:
      'one of mnist, idx, images, swiss-roll, moons, checkerboard, spiral, gaussian-mixture, mnist-binary, heartbeat, names, latents',
  },
);

const steps = defaults(whole(1, 1_000_000), 1000);
const maxBeta = defaults(between(0, 1), 0.999);
const beta = between(0, 1);

const schedule = z.discriminatedUnion(
  'kind',
  [
    section({ kind: z.literal('linear'), steps, start: z.optional(beta), end: z.optional(beta) }),
    section({ kind: z.literal('cosine'), steps, offset: defaults(number(0), 0.008), maxBeta }),
    section({ kind: z.literal('quadratic'), steps, start: z.optional(beta), end: z.optional(beta) }),
    section({
      kind: z.literal('sigmoid'),
      steps,
      start: defaults(z.number({ error: 'a number' }), -3),
      end: defaults(z.number({ error: 'a number' }), 3),
      tau: defaults(between(0), 1),
      maxBeta,
    }),
    section({ kind: z.literal('constant-fraction'), steps }),
    section({
      kind: z.literal('betas'),
      betas: z
        .array(beta, { error: 'a list of numbers in (0, 1)' })
        .check(z.minLength(1, { error: 'a list of numbers in (0, 1)' })),
    }),
    section({ kind: z.literal('rectified'), shift: defaults(between(0), 1) }),
    section({
      kind: z.literal('variance-exploding'),
      sigmaMin: defaults(between(0), 0.002),
      sigmaMax: defaults(between(0), 80),
    }),
    section({
      kind: z.literal('learned'),
      gamma: defaults(oneOf(['linear', 'monotone']), 'monotone'),
      // γ = −log-SNR at its ends, from where they are learned.
      min: defaults(z.number({ error: 'a number' }), -13.3),
      max: defaults(z.number({ error: 'a number' }), 5),
      // T of the bound to learn by; null: continuous time.
      steps: defaults(z.nullable(whole(1, 1_000_000)), null),
    }),
  ],
  {
    error:
      'one of linear, cosine, quadratic, sigmoid, constant-fraction, betas, rectified, variance-exploding, learned',
  },
);

const weighting = z.prefault(
  z.discriminatedUnion(
    'kind',
    [
      section({ kind: z.literal('uniform') }),
      section({ kind: z.literal('min-snr'), gamma: defaults(between(0), 5) }),
      section({ kind: z.literal('soft-min-snr'), gamma: defaults(between(0), 4) }),
      section({ kind: z.literal('p2'), k: defaults(between(0), 1), gamma: defaults(number(0), 1) }),
      section({ kind: z.literal('sigmoid'), bias: defaults(z.number({ error: 'a number' }), -1) }),
      section({ kind: z.literal('x0-snr') }),
      section({ kind: z.literal('max-snr-1') }),
      section({ kind: z.literal('snr-plus-1') }),
    ],
    { error: 'one of uniform, min-snr, soft-min-snr, p2, sigmoid, x0-snr, max-snr-1, snr-plus-1' },
  ),
  { kind: 'uniform' },
);

const norm = defaults(oneOf(['l2', 'l1', 'huber']), 'l2');
const loss = z.discriminatedUnion(
  'kind',
  [
    // With `uncertainty` every noise level is divided by what is learned to be left of its loss.
    section({ kind: z.literal('simple'), norm, weighting, uncertainty: defaults(flag(), false) }),
    section({ kind: z.literal('variational-bound') }),
    section({ kind: z.literal('hybrid'), norm, weighting, lambda: defaults(number(0), 0.001) }),
    section({ kind: z.literal('cross-entropy') }),
    section({ kind: z.literal('cross-entropy-hybrid'), lambda: defaults(number(0), 0.001) }),
    section({ kind: z.literal('masked-cross-entropy') }),
    section({ kind: z.literal('elbo'), beta: defaults(number(0), 1) }),
  ],
  {
    error:
      'one of simple, variational-bound, hybrid, cross-entropy, cross-entropy-hybrid, masked-cross-entropy, elbo',
  },
);

const decay = defaults(number(0, 1), 0.9999);
const ema = z.discriminatedUnion(
  'kind',
  [
    section({ kind: z.literal('constant'), decay }),
    section({ kind: z.literal('warmed-up'), decay }),
    section({
      kind: z.literal('half-life'),
      images: defaults(whole(1), 500_000),
      rampUp: defaults(between(0), 0.05),
    }),
    section({ kind: z.literal('none') }),
  ],
  { error: 'one of constant, warmed-up, half-life, none' },
);

const process = section({
  schedule: z.prefault(schedule, { kind: 'linear' }),
  zeroTerminalSnr: defaults(flag(), false),
  noise: defaults(oneOf(['gaussian', 'uniform', 'absorbing', 'discretised-gaussian']), 'gaussian'),
  predicts: defaults(oneOf(namesOf(PREDICTIONS)), 'epsilon'),
  // σ_data of what `edm` predicts; null: measured of the data before the run begins.
  sigmaData: defaults(z.nullable(between(0)), 0.5),
  variance: defaults(oneOf(namesOf(VARIANCES)), 'fixedSmall'),
  // The predicted x_0 of images stays within ±clip when samples are drawn and evaluated; null: wherever it is.
  clip: defaults(z.nullable(between(0)), 1),
});

const belowOne = z.number({ error: 'a number from 0 to less than 1' }).check(z.gte(0), z.lt(1));
const training = section({
  steps: defaults(whole(1), 10_000),
  batch: defaults(whole(1), 64),
  microBatch: defaults(z.nullable(whole(1)), null),
  learningRate: defaults(between(0), 2e-4),
  warmUp: defaults(whole(0), 0),
  decay: defaults(oneOf(['constant', 'cosine', 'linear']), 'constant'),
  finalFraction: defaults(number(0, 1), 0),
  betas: defaults(
    z.tuple([belowOne, belowOne], { error: 'two numbers from 0 to less than 1' }),
    [0.9, 0.999],
  ),
  epsilon: defaults(between(0), 1e-8),
  weightDecay: defaults(number(0), 0),
  maxGradNorm: defaults(z.nullable(between(0)), 1),
  ema: z.prefault(ema, { kind: 'warmed-up' }),
  timesteps: defaults(
    oneOf(['uniform', 'stratified', 'importance', 'log-normal', 'logit-normal']),
    'stratified',
  ),
  // Of what is normal in log-normal and logit-normal times; null: as in their papers.
  timestepsMean: defaults(z.nullable(z.number({ error: 'a number' })), null),
  timestepsDeviation: defaults(z.nullable(between(0)), null),
  // Which example is mixed with which noise of its batch.
  coupling: defaults(oneOf(['independent', 'optimal-transport', 'reflow']), 'independent'),
  // Of reflow: the run whose noise and samples the pairs are, and how many of them.
  pairsOf: defaults(z.nullable(text('the folder of a run')), null),
  pairs: defaults(z.nullable(whole(1, 10_000_000)), null),
  labelDropout: defaults(number(0, 1), 0.1),
  seed: defaults(whole(0), 0),
  logEvery: defaults(whole(1), 50),
  checkpointEvery: defaults(whole(1), 1000),
  keep: defaults(whole(1), 3),
  sampleEvery: defaults(whole(0), 1000),
});

const sampling = section({
  sampler: defaults(oneOf(namesOf(SAMPLERS)), 'ddim'),
  steps: defaults(z.nullable(whole(1)), 50),
  times: defaults(
    z.nullable(
      oneOf([
        'sections',
        'leading',
        'leading-to-data',
        'trailing',
        'linspace',
        'linspace-to-data',
        'even',
        'karras',
        'log-snr',
      ]),
    ),
    null,
  ),
  // null: as much noise as the sampler has of itself.
  eta: defaults(z.nullable(number(0)), null),
  churn: defaults(number(0), 0),
  // How many predictions a step rests on, and what its error may be; null: the sampler's own.
  order: defaults(z.nullable(z.literal([1, 2, 3, 4], { error: '1, 2, 3 or 4' })), null),
  tolerance: defaults(z.nullable(between(0)), null),
  guidance: defaults(number(-1), 0),
  count: defaults(whole(1), 64),
});

/** Everything that a run is made of; what is left out has the default that is written into the run's config.json. */
export const runConfig = section({
  data,
  model: z.looseObject(
    { _class_name: oneOf(['UNet2DModel', 'MLP', 'Mixer', 'AutoencoderKL', 'Classifier']) },
    { error: 'an object' },
  ),
  process: z.prefault(process, {}),
  loss: z.prefault(loss, { kind: 'simple' }),
  training: z.prefault(training, {}),
  sampling: z.prefault(sampling, {}),
});

/** The settings of a run, complete: what `config.json` says of data, network, process, loss, training and sampling. */
export type RunConfig = z.infer<typeof runConfig>;

/** A config in which whatever is left out takes its default. */
export type Preset = z.input<typeof runConfig>;

function namesOf<T extends object>(table: T): readonly (keyof T & string)[] {
  return Object.keys(table) as (keyof T & string)[];
}
