import { type ForwardProcess, gaussianDiffusion } from '@diffusion-ts/forward-process';
import { type MlpConfig, type Model, mlp } from '@diffusion-ts/models';
import { type ReverseProcess, reverseProcess } from '@diffusion-ts/reverse-process';
import { type Params, rng } from '@diffusion-ts/tensor';
import { disposeState, initialState, type TrainState } from '@diffusion-ts/training';
import * as tf from '@tensorflow/tfjs-core';
import { type PlaneConfig, TRAIN_STEPS } from '../model/plane-config.js';
import { SCHEDULES } from '../model/schedules.js';
import { checkWeights } from './check-weights.js';
import { type PlaneSource, planeSource } from './plane-data.js';
import type { PlaneEvaluation } from './plane-evaluation.js';

/** Equal parts of the schedule, each with an average of its loss. */
const BINS = 25;
/** No coordinate of the data is larger. */
const LARGEST = 1.6;
/**
 * Fourier features (Tancik et al. 2020): waves of these frequencies along x, y and the diagonals. A network of bare
 * coordinates blurs what is finer than a tenth.
 */
const FREQUENCIES = [6, 14] as const;
const DIRECTIONS = [
  [1, 0, Math.SQRT1_2, Math.SQRT1_2],
  [0, 1, Math.SQRT1_2, -Math.SQRT1_2],
];
const FEATURES = 2 + 2 * FREQUENCIES.length * DIRECTIONS[0]!.length;

/** A run in the plane, as the worker has it. */
export interface PlaneRun {
  readonly config: PlaneConfig;
  readonly source: PlaneSource;
  readonly forward: ForwardProcess;
  readonly model: Model<MlpConfig>;
  readonly state: TrainState;
  /** The loss of every step; NaN where it has not come yet. */
  readonly losses: Float32Array;
  readonly lossByT: Float64Array;
  evaluation?: PlaneEvaluation;
}

/**
 * A run at its beginning, or where `stored` has come to.
 * @throws RangeError if there is too little data, the schedule and the prediction do not go together, or the weights are
 * those of another network; `stored` then remains the caller's.
 */
export async function planeRun(
  config: PlaneConfig,
  stored?: Pick<PlaneRun, 'state' | 'losses' | 'lossByT' | 'evaluation'>,
): Promise<PlaneRun> {
  const source = await planeSource(config);
  const model = mlp({
    dimensions: FEATURES,
    outputs: config.loss === 'hybrid' ? 4 : 2,
    hidden: 96,
    layers: 3,
    timeFeatures: 32,
  });
  const run: PlaneRun = {
    config,
    source,
    forward: gaussianDiffusion(SCHEDULES[config.schedule]({ steps: config.steps })),
    model,
    ...(stored ?? {
      state: initialState(model.init(rng(config.seed).fork('init'))),
      losses: new Float32Array(TRAIN_STEPS).fill(Number.NaN),
      lossByT: new Float64Array(BINS).fill(Number.NaN),
    }),
  };
  try {
    checkWeights(model.shapes, run.state.params);
    reverseOf(run, run.state.params);
  } catch (error) {
    if (stored === undefined) disposeState(run.state);
    throw error;
  }
  return run;
}

export function reverseOf({ config, forward, model }: PlaneRun, params: Params): ReverseProcess {
  return reverseProcess({
    forward,
    denoiser: (xt, t) => tf.tidy(() => model.apply(params, features(xt), t)),
    predicts: config.predicts,
    variance: config.loss === 'hybrid' ? 'learnedRange' : 'fixedSmall',
  });
}

/** The process of the averaged weights, the one to sample from: an x_0 outside of the picture is no data. */
export function averaged(run: PlaneRun, params: Params = averagedParams(run)): ReverseProcess {
  return reverseProcess({
    ...reverseOf(run, params),
    clip: [-LARGEST, LARGEST],
  });
}

/** The averaged weights; those of now before there is an average. */
export function averagedParams({ state }: PlaneRun): Params {
  return state.ema ?? state.params;
}

/** The coordinates `[batch, 2]` and their waves, `[batch, FEATURES]`. */
function features(xt: tf.Tensor): tf.Tensor {
  const along = tf.matMul(xt as tf.Tensor2D, tf.tensor2d(DIRECTIONS));
  const waves = FREQUENCIES.flatMap((frequency) => {
    const angles = tf.mul(along, frequency);
    return [tf.sin(angles), tf.cos(angles)];
  });
  return tf.concat([xt, ...waves], 1);
}
