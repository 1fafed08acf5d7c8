import type { ForwardProcess } from '@diffusion-ts/forward-process';
import {
  type DenoisingNetwork,
  diffusionOf,
  PRESETS,
  type Preset,
  type RunConfig,
  reverseOf,
} from '@diffusion-ts/recipes';
import type { GaussianReverseProcess } from '@diffusion-ts/reverse-process';
import { type Params, rng } from '@diffusion-ts/tensor';
import { initialState, type TrainState } from '@diffusion-ts/training';
import * as tf from '@tensorflow/tfjs-core';
import type { StateFile } from '../lab/state-file.js';
import { type PlaneConfig, TRAIN_STEPS } from './config.js';
import { type PlaneSource, planeSource, pointsConfigOf } from './data.js';
import type { PlaneEvaluation } from './evaluation.js';

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

/** What has become of a run: its curves, and its last look. */
export interface PlaneRecord {
  /** The loss of every step; NaN where it has not come yet. */
  readonly losses: Float32Array;
  readonly lossByT: Float64Array;
  /** The bound at each look: the step, and the bits per dimension. */
  readonly bounds: [number, number][];
  evaluation?: PlaneEvaluation;
}

/** A run in the plane as the worker has it, with the model that it trains. */
export interface PlaneModel extends PlaneRecord {
  readonly config: PlaneConfig;
  /** The same in the words of the command line. */
  readonly run: RunConfig;
  readonly source: PlaneSource;
  readonly network: DenoisingNetwork;
  readonly forward: ForwardProcess;
  readonly state: TrainState;
}

/**
 * A run at its beginning, or where a stored one has come to.
 * @throws RangeError if there is too little data, the schedule and the prediction do not go together, or the weights are
 * those of another network.
 */
export async function planeModel(
  config: PlaneConfig,
  stored?: PlaneRecord & Pick<StateFile, 'state'>,
): Promise<PlaneModel> {
  const { parseConfig } = await import('@diffusion-ts/recipes/config');
  const run = parseConfig(presetOf(config), 'The run');
  const { network: ofFeatures, forward } = diffusionOf(run);
  const network = seeingWaves(ofFeatures);
  const source = await planeSource(config);
  const fresh: PlaneRecord = {
    losses: new Float32Array(TRAIN_STEPS).fill(Number.NaN),
    lossByT: new Float64Array(BINS).fill(Number.NaN),
    bounds: [],
  };
  const { state, ...record } = stored ?? {
    ...fresh,
    state: () => initialState(network.init(rng(config.seed).fork('init'))),
  };
  return { config, run, source, network, forward, ...record, state: state(network) };
}

/** The command line's preset of points, with what the visitor chose, and shorter: nobody wants to wait for a minute. */
function presetOf({ data, schedule, steps, predicts, loss, seed }: PlaneConfig): Preset {
  const { training } = PRESETS.moons;
  const learnsVariance = loss === 'hybrid';
  return {
    data: pointsConfigOf({ data, seed }),
    model: {
      _class_name: 'MLP',
      dimensions: FEATURES,
      outputs: learnsVariance ? 4 : 2,
      hidden: 96,
      layers: 3,
      timeFeatures: 32,
    },
    process: {
      schedule: { kind: schedule, steps },
      predicts,
      variance: learnsVariance ? 'learnedRange' : 'fixedSmall',
    },
    loss: { kind: loss === 'bound' ? 'variational-bound' : loss },
    training: {
      ...training,
      steps: TRAIN_STEPS,
      learningRate: 1e-2,
      warmUp: 10,
      finalFraction: 0.01,
      // The terms of the bound differ by orders of magnitude: with every t alike their sum is too noisy to be learned
      // (Nichol & Dhariwal 2021, section 3.3).
      ...(loss !== 'simple' && { timesteps: 'importance' as const }),
      seed,
    },
  };
}

/** A network of features as one of points. */
function seeingWaves(network: DenoisingNetwork): DenoisingNetwork {
  return {
    ...network,
    shape: [2],
    denoiser(params) {
      const ofFeatures = network.denoiser(params);
      return (xt, told) => ofFeatures(features(xt), told);
    },
  };
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

/** The process of the averaged weights, as the network defines it. */
export function averaged(
  { run, forward, network, state }: PlaneModel,
  params: Params = averagedParams(state),
): GaussianReverseProcess {
  return reverseOf(forward, run.process, network.denoiser(params), false);
}

/** The one to sample from: an x_0 outside of the picture is no data. */
export function averagedWithin(model: PlaneModel, params?: Params): GaussianReverseProcess {
  return { ...averaged(model, params), clip: [-LARGEST, LARGEST] };
}

/** The averaged weights; those of now before there is an average. */
export function averagedParams({ ema, params }: Pick<TrainState, 'ema' | 'params'>): Params {
  return ema ?? params;
}
