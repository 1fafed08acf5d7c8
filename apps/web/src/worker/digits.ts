import { paramsToSafetensors } from '@diffusion-ts/checkpoints';
import { batches, type Dataset, fromIdx } from '@diffusion-ts/datasets';
import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { simple } from '@diffusion-ts/losses';
import { unet } from '@diffusion-ts/models';
import { reverseProcess } from '@diffusion-ts/reverse-process';
import { ddim } from '@diffusion-ts/samplers';
import { cosine } from '@diffusion-ts/schedules';
import { countParams, mapParams, type Params, rng } from '@diffusion-ts/tensor';
import {
  cosineDecay,
  disposeState,
  initialState,
  type Quartiles,
  stratifiedTimesteps,
  type TrainState,
  train,
  warmedUpDecay,
  warmUp,
} from '@diffusion-ts/training';
import * as tf from '@tensorflow/tfjs-core';
import { DIGIT_MODEL } from '../model/digit-model.js';
import { DIGIT_RUN, DIGIT_STEPS } from '../model/digit-run.js';
import { imageModel, readImageModel, samplingProcess } from './image-model.js';
import type { Handlers, Job } from './protocol.js';
import { fetchBytes, gunzip } from './site.js';
import { stateFromFile, stateToFile } from './state-file.js';
import { forgetFiles, storedFiles, storeFile } from './storage.js';

const SAMPLE_STEPS = 12;
const SAMPLE_GUIDANCE = 0.5;
const NULL_LABEL = 10;
const FILE = 'digits.safetensors';

/** The loss of a step: of all images, and of those in each quarter of the schedule. */
export interface DigitsLoss {
  readonly step: number;
  readonly loss: number;
  /** Null or undefined where the step had no image of that quarter. */
  readonly quartiles: Quartiles | readonly (number | null)[];
}

export interface DigitsStatus {
  readonly step: number;
  readonly batch: number;
  /** Weights of the network. */
  readonly size: number;
  /** Digits that there are to learn from. */
  readonly images: number;
  /** Every step so far that this browser took. */
  readonly history: readonly DigitsLoss[];
  /** Ten digits that the network draws, 0 to 9; absent before the first step. */
  readonly samples?: Float32Array;
}

export interface DigitsProgress extends DigitsLoss {
  readonly imagesPerSecond: number;
  readonly samples?: Float32Array;
  /** Why the run is not being stored, where it is not. */
  readonly notStored?: string;
}

export interface DigitsJobs {
  /** Gets the data, and goes back to where the run was left, in this visit or an earlier one. */
  'digits/open': Job<{ batch: number }, string, DigitsStatus>;
  'digits/train': Job<{ sampleEvery: number }, DigitsProgress, DigitsStatus>;
  'digits/reset': Job<{ batch: number }, never, DigitsStatus>;
  'digits/export': Job<Record<string, never>, never, { weights: Uint8Array; config: string }>;
  /** Goes on from weights that somebody brings. */
  'digits/import': Job<{ bytes: Uint8Array; config: unknown; batch: number }, never, DigitsStatus>;
}

interface Session {
  readonly dataset: Dataset;
  state: TrainState;
  batch: number;
  history: DigitsLoss[];
}

const network = unet(DIGIT_MODEL);
const forward = gaussianDiffusion(cosine({ steps: DIGIT_RUN.process.schedule.steps }));
let session: Session | undefined;

/** The averaged weights of the run on digits, or undefined before it has any. */
export function trainedDigits(): Params | undefined {
  return session?.state.ema;
}

export const digitsJobs: Handlers<DigitsJobs> = {
  async *'digits/open'({ batch }) {
    if (session === undefined) {
      yield 'Loading ten thousand digits';
      const [images, labels] = await Promise.all(
        ['data/images.bin', 'data/labels.bin'].map(async (name) => ({
          name,
          bytes: await gunzip(await fetchBytes(name)),
        })),
      );
      const dataset = fromIdx({ images: images!, labels: labels! });
      const stored = await restored();
      session = { dataset, ...(stored ?? { state: fresh(), batch, history: [] }) };
    }
    if (session.state.step === 0) session.batch = batch;
    return status(session, await drawn(session.state));
  },

  async *'digits/train'({ sampleEvery }, signal) {
    const { dataset, state, batch, history } = opened();
    const { training } = DIGIT_RUN;
    const startedAt = { time: performance.now(), step: state.step };
    const steps = train({
      state,
      reverse: (params) =>
        reverseProcess({
          forward,
          denoiser: (xt, t, condition) => network.apply(params, xt, t, condition),
          predicts: DIGIT_RUN.process.predicts,
          variance: DIGIT_RUN.process.variance,
        }),
      loss: simple(),
      batches: (start) => batches(dataset, { size: batch, seed: training.seed, start }),
      rng: rng(training.seed).fork('train'),
      steps: DIGIT_STEPS,
      learningRate: warmUp(
        training.warmUp,
        cosineDecay({
          rate: training.learningRate,
          steps: DIGIT_STEPS,
          finalRate: training.finalFraction * training.learningRate,
        }),
      ),
      betas: training.betas,
      maxGradNorm: training.maxGradNorm,
      ema: warmedUpDecay(training.ema.decay),
      timesteps: stratifiedTimesteps(),
      labelDropout: { rate: training.labelDropout, nullLabel: NULL_LABEL },
      signal,
    });
    let away = 0;
    for await (const { step, loss, lossByQuartile } of steps) {
      const now = performance.now();
      const seconds = (now - startedAt.time - away) / 1000;
      const taken = { step, loss, quartiles: lossByQuartile };
      history.push(taken);
      const progress = {
        ...taken,
        imagesPerSecond: (batch * (step - startedAt.step)) / seconds,
      };
      if (step % sampleEvery !== 0) {
        yield progress;
        continue;
      }
      const notStored = await save(opened());
      const samples = await drawn(state);
      yield { ...progress, ...(samples && { samples }), ...(notStored !== undefined && { notStored }) };
      away += performance.now() - now;
    }
    await save(opened());
    return status(opened(), await drawn(state));
  },

  async 'digits/reset'({ batch }) {
    const current = opened();
    await forgetFiles([FILE]).catch(() => {});
    disposeState(current.state);
    current.state = fresh();
    current.batch = batch;
    current.history = [];
    return status(current);
  },

  async 'digits/export'() {
    const weights = trainedDigits();
    if (weights === undefined) throw new RangeError('There is nothing to export yet: train first.');
    const config = JSON.stringify(DIGIT_RUN, null, 2);
    return { weights: await paramsToSafetensors(weights, { metadata: { format: 'pt', config } }), config };
  },

  async 'digits/import'({ bytes, config, batch }) {
    const current = opened();
    // Whatever its config says, the weights must be those of the network that is trained here.
    const { params, run } = readImageModel(bytes, config ?? DIGIT_RUN);
    const model = imageModel(DIGIT_RUN, params);
    if (run.predicts !== model.run.predicts) {
      throw new RangeError(`These weights predict ${run.predicts}, and the network of this page predicts v.`);
    }
    disposeState(current.state);
    current.state = initialState(params);
    current.state.ema = mapParams(params, (tensor) => tf.clone(tensor));
    current.batch = batch;
    current.history = [];
    await save(current);
    return status(current, await drawn(current.state));
  },
};

function opened(): Session {
  if (session === undefined) throw new RangeError('The digits are not loaded yet.');
  return session;
}

function fresh(): TrainState {
  return initialState(network.init(rng(DIGIT_RUN.training.seed).fork('init')));
}

/** What is stored of a run beside its weights. */
type Notes = Pick<Session, 'batch' | 'history'>;

async function restored(): Promise<Omit<Session, 'dataset'> | undefined> {
  const file = (await storedFiles(FILE)).get(FILE);
  if (file === undefined) return undefined;
  try {
    const { state, notes } = stateFromFile(new Uint8Array(await file.arrayBuffer()));
    const { batch, history } = notes as Notes;
    return { state, batch, history };
  } catch {
    // Of an older version of the site: begin anew.
    return undefined;
  }
}

/** Stores the run; says why where that is not possible. */
async function save({ state, batch, history }: Session): Promise<string | undefined> {
  try {
    const notes: Notes = { batch, history };
    await storeFile(FILE, await stateToFile(state, notes));
    return undefined;
  } catch (error) {
    return `This browser does not store the run: ${(error as Error).message}`;
  }
}

function status({ state, batch, history, dataset }: Session, samples?: Float32Array): DigitsStatus {
  return {
    step: state.step,
    batch,
    size: countParams(state.params),
    images: dataset.size,
    history,
    ...(samples && { samples }),
  };
}

/** The digits 0 to 9 as the network draws them now, always from the same noise. */
async function drawn(state: TrainState): Promise<Float32Array | undefined> {
  if (state.ema === undefined) return undefined;
  const model = imageModel(DIGIT_RUN, state.ema);
  const random = rng(3);
  const xT = random.normal([10, ...model.shape]);
  const labels = tf.tensor1d([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 'int32');
  try {
    const sampler = ddim({ steps: SAMPLE_STEPS });
    const walk = sampler(samplingProcess(model, SAMPLE_GUIDANCE), xT, { rng: random, condition: { labels } });
    let step = await walk.next();
    while (!step.done) step = await walk.next();
    const images = (await step.value.data()) as Float32Array;
    step.value.dispose();
    return images;
  } finally {
    tf.dispose([xT, labels]);
  }
}
