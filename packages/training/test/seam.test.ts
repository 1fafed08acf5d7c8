import { batches, type Dataset, ringOfGaussians } from '@diffusion-ts/datasets';
import { gaussianDiffusion, latent } from '@diffusion-ts/forward-process';
import { simple } from '@diffusion-ts/losses';
import { mlp } from '@diffusion-ts/models';
import {
  edmPrediction,
  fixedSmall,
  flowPrediction,
  type GaussianReverseProcess,
  type Prediction,
  reverseProcess,
} from '@diffusion-ts/reverse-process';
import { ddim, heun, type Sampler } from '@diffusion-ts/samplers';
import { karras, type NoiseSchedule, rectified, trailing, varianceExploding } from '@diffusion-ts/schedules';
import { finish, type Params, rng } from '@diffusion-ts/tensor';
import { useBackend } from '@diffusion-ts/testing';
import { beforeAll, expect, test } from 'vitest';
import {
  adamW,
  cosineDecay,
  disposeState,
  initialState,
  logitNormalTimes,
  logNormalSigma,
  type TimeSampler,
  train,
  warmedUpDecay,
} from '../src/index.js';

type Points = Float32Array;

const SIZE = 4000;

beforeAll(() => useBackend('wasm'));

/**
 * The sliced Wasserstein distance of order 2 (Bonneel et al. 2015) of two sets of as many points in the plane: over evenly
 * spaced directions, the root mean square of the distances between what is sorted along each.
 */
function slicedWasserstein(a: Points, b: Points, directions = 64): number {
  const squares = Array.from({ length: directions }, (_, k) => {
    const angle = (Math.PI * k) / directions;
    const along = (points: Points): Float64Array =>
      Float64Array.from(
        { length: points.length / 2 },
        (_, i) => Math.cos(angle) * points[2 * i]! + Math.sin(angle) * points[2 * i + 1]!,
      ).sort();
    const [p, q] = [along(a), along(b)];
    return p.reduce((sum, value, i) => sum + (value - q[i]!) ** 2, 0) / p.length;
  });
  return Math.sqrt(squares.reduce((sum, square) => sum + square, 0) / directions);
}

/** The part of the points within three deviations of the nearest of the eight means: 1 − e^(−9/2) = 0.989 of the data. */
function onTheRing(points: Points): number {
  let near = 0;
  for (let i = 0; i < points.length; i += 2) {
    const [x, y] = [points[i]!, points[i + 1]!];
    const angle = (Math.round(Math.atan2(y, x) / (Math.PI / 4)) * Math.PI) / 4;
    if (Math.hypot(x - 0.8 * Math.cos(angle), y - 0.8 * Math.sin(angle)) < 0.15) near += 1;
  }
  return near / (points.length / 2);
}

async function pointsOf(dataset: Dataset, first: number): Promise<Points> {
  const { x0, condition } = await dataset.batch(Array.from({ length: SIZE }, (_, i) => first + i));
  const points = x0.dataSync<'float32'>().slice();
  x0.dispose();
  condition?.label?.dispose();
  return points;
}

interface Line {
  readonly schedule: NoiseSchedule;
  readonly predicts: Prediction;
  readonly times: TimeSampler;
  readonly sampler: Sampler;
  /** The part of its samples that is on the ring, at least. */
  readonly sharpness: number;
}

const LINES: Readonly<Record<string, Line>> = {
  'flow matching: rectified schedule, velocity, logit-normal times, Euler': {
    schedule: rectified(),
    predicts: flowPrediction,
    times: logitNormalTimes(),
    sampler: ddim({ times: trailing(20) }),
    sharpness: 0.4,
  },
  'EDM: exploding variance, preconditioning, log-normal σ, Heun at the times of Karras': {
    schedule: varianceExploding(),
    predicts: edmPrediction({ sigmaData: 0.57 }),
    times: logNormalSigma(),
    sampler: heun({ times: karras({ steps: 18 }) }),
    sharpness: 0.8,
  },
};

for (const [name, { schedule, predicts, times, sampler, sharpness }] of Object.entries(LINES)) {
  test(`${name} trains and samples a ring of Gaussians with nothing else changed`, async () => {
    const data = ringOfGaussians({ size: 2 * SIZE, seed: 0 });
    const network = mlp({ dimensions: 2, hidden: 64, layers: 3, timeFeatures: 32 });
    const forward = gaussianDiffusion(schedule);
    const reverse = (params: Params): GaussianReverseProcess =>
      reverseProcess({
        forward,
        denoiser: (...inputs) => network.apply(params, ...inputs),
        predicts,
        variance: fixedSmall,
      });
    const state = initialState(network.init(rng(0)));
    await finish(
      train({
        state,
        reverse,
        loss: simple(),
        batches: (start) => batches(data, { size: 256, seed: 0, start }),
        rng: rng(1),
        steps: 500,
        learningRate: cosineDecay({ rate: 0.02, steps: 500 }),
        optimizer: adamW({ maxGradNorm: 1 }),
        ema: warmedUpDecay(0.99),
        times,
      }),
    );
    const xT = latent(forward, rng(3), [SIZE, 2]);
    const x0 = await finish(sampler(reverse(state.ema!), xT));
    const noise = rng(4).normal([SIZE, 2]);
    const [drawn, blank] = [x0, noise].map((tensor) => tensor.dataSync<'float32'>()) as [Points, Points];
    const [real, other] = [await pointsOf(data, 0), await pointsOf(data, SIZE)];

    // How far the data are from each other, from noise, and from a Gaussian of their variance.
    const alike = blank.map((value) => value * Math.sqrt(0.8 ** 2 / 2 + 0.05 ** 2));
    expect(slicedWasserstein(real, other)).toBeCloseTo(0.04, 3);
    expect(slicedWasserstein(blank, real)).toBeGreaterThan(0.45);
    expect(slicedWasserstein(alike, real)).toBeGreaterThan(0.17);
    expect(onTheRing(real)).toBeGreaterThan(0.98);
    expect(onTheRing(alike)).toBeLessThan(0.11);
    // Twice as far as the data from each other, at most; what the exact denoiser draws is 0.036 from the first.
    for (const set of [real, other]) expect(slicedWasserstein(drawn, set)).toBeLessThan(0.08);
    expect(onTheRing(drawn)).toBeGreaterThan(sharpness);
    for (const tensor of [xT, x0, noise]) tensor.dispose();
    disposeState(state);
  });
}
