// Training on digits and drawing them, which one rank does or several do together.

import { batches, type Dataset } from '@diffusion-ts/datasets';
import { latent } from '@diffusion-ts/forward-process';
import { broadcastParams, type Communicator } from '@diffusion-ts/parallel';
import {
  type Diffusion,
  diffusionOf,
  type RunConfig,
  samplerOf,
  samplingProcess,
  trainingOf,
} from '@diffusion-ts/recipes';
import { disposeParams, finish, rng } from '@diffusion-ts/tensor';
import {
  disposeState,
  progressOf,
  type Quartiles,
  type TrainProgress,
  type TrainState,
  train,
} from '@diffusion-ts/training';
import * as tf from '@tensorflow/tfjs-core';
import { gathered, ownRows } from '../lab/shared.js';
import { stateOf, treeOf } from '../lab/state-file.js';
import { loadDigits } from './data.js';

/** Few, since training waits for the pictures. */
const SAMPLE_STEPS = 12;
const LABELS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

/** The loss of a step: of all images, and of those in each quarter of the schedule. */
export interface DigitsLoss {
  readonly step: number;
  readonly loss: number;
  /** Null or undefined where the step had no image of that quarter. */
  readonly quartiles: Quartiles | readonly (number | null)[];
}

export interface DigitsStep extends DigitsLoss {
  readonly imagesPerSecond: number;
  /** Ten digits that the network draws, 0 to 9. */
  readonly samples?: Float32Array;
}

export interface DigitsRun extends Diffusion {
  readonly config: RunConfig;
  readonly dataset: Dataset;
  readonly state: TrainState;
  /** Images a step, of which each rank has as many. */
  readonly batch: number;
}

/** When to stop, and when to draw. */
export interface DigitsPlan {
  readonly sampleEvery: number;
  readonly signal?: AbortSignal;
}

/** Trains until the run's end or the signal; draws digits every now and then, and in the end. */
export async function* trainDigits(
  communicator: Communicator,
  run: DigitsRun,
  { sampleEvery, signal }: DigitsPlan,
): AsyncGenerator<DigitsStep, Float32Array | undefined> {
  const { config, network, forward, dataset, state, batch } = run;
  const { steps, seed } = config.training;
  const startedAt = { time: performance.now(), step: state.step };
  const { dispose, ...options } = trainingOf(config, network, forward, rng(seed).fork('train'));
  const records = train({
    ...options,
    state,
    batches: (start) => batches(dataset, { size: batch, seed, start, share: communicator }),
    steps,
    communicator,
    ...(signal && { signal }),
  });
  let away = 0;
  try {
    for await (const { step, loss, lossByQuartile } of records) {
      const now = performance.now();
      const seconds = (now - startedAt.time - away) / 1000;
      const samples = step % sampleEvery === 0 ? await drawDigits(communicator, run) : undefined;
      yield {
        step,
        loss,
        quartiles: lossByQuartile,
        imagesPerSecond: (batch * (step - startedAt.step)) / seconds,
        ...(samples && { samples }),
      };
      away += performance.now() - now;
    }
  } finally {
    dispose();
  }
  return drawDigits(communicator, run);
}

/** The digits 0 to 9 as the averaged weights draw them, always from the same noise; undefined before there are any. */
export async function drawDigits(
  communicator: Communicator,
  { config, network, forward, state }: Omit<DigitsRun, 'dataset' | 'batch'>,
): Promise<Float32Array | undefined> {
  if (state.ema === undefined) return undefined;
  const { process, sampling } = config;
  const reverse = samplingProcess(network, state.ema, forward, process, sampling.guidance);
  const sampler = samplerOf({ ...sampling, steps: SAMPLE_STEPS }, forward);
  const { first, end } = ownRows(communicator, LABELS.length);
  const random = rng(3).rows(first);
  const label = tf.tensor1d(LABELS.slice(first, end), 'int32');
  const xT = latent(forward, random, [label.size, ...network.shape]);
  try {
    const x0 = await finish(sampler(reverse, xT, { rng: random, condition: { label } }));
    return await gathered(communicator, x0).finally(() => x0.dispose());
  } finally {
    tf.dispose([xT, label]);
    reverse.dispose();
  }
}

/** What another rank is told of the training. */
export interface DigitsShare extends Pick<DigitsRun, 'config' | 'batch'>, Pick<DigitsPlan, 'sampleEvery'> {
  readonly progress: TrainProgress;
}

export function shareOf({ config, batch, state }: DigitsRun, sampleEvery: number): DigitsShare {
  return { config, batch, sampleEvery, progress: progressOf(state) };
}

/** Gives the other ranks the state that they begin with. */
export async function giveState(communicator: Communicator, state: TrainState): Promise<void> {
  disposeParams(await broadcastParams(communicator, treeOf(state)));
}

let digits: Promise<Dataset> | undefined;

/** What another rank does of it. */
export async function helpToTrain(
  communicator: Communicator,
  { config, batch, sampleEvery, progress }: DigitsShare,
): Promise<void> {
  const state = stateOf(await broadcastParams(communicator, undefined), progress);
  try {
    digits ??= loadDigits();
    const run = { config, ...diffusionOf(config), dataset: await digits, state, batch };
    await finish(trainDigits(communicator, run, { sampleEvery }));
  } finally {
    disposeState(state);
  }
}
