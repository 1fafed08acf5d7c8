import { paramsToSafetensors } from '@diffusion-ts/checkpoints';
import { batches, type Dataset, fromIdx } from '@diffusion-ts/datasets';
import { latent } from '@diffusion-ts/forward-process';
import { diffusionOf, fitModel, samplerOf, samplingProcess, trainingOf } from '@diffusion-ts/recipes';
import {
  checkParams,
  countParams,
  disposeParams,
  finish,
  mapParams,
  type Params,
  rng,
} from '@diffusion-ts/tensor';
import { disposeState, initialState, type Quartiles, type TrainState, train } from '@diffusion-ts/training';
import * as tf from '@tensorflow/tfjs-core';
import { type ImageModel, readImageModel } from '../files/image-model.js';
import { type Handlers, type Job, stoppedBy } from '../lab/protocol.js';
import { fetchBytes, gunzip } from '../lab/site.js';
import { readStateFile, stateToFile } from '../lab/state-file.js';
import { ELSEWHERE, forgetFiles, keepFile, own, setAside, storedFiles } from '../lab/storage.js';
import { DIGITS } from './config.js';

/** Few, since training waits for the pictures. */
const SAMPLE_STEPS = 12;
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
  /** Whether another tab has the run: here it can only be looked at. */
  readonly elsewhere: boolean;
  /** What the visitor should know: of a stored run that could not be read, or why this one is not being stored. */
  readonly notice?: string;
}

export interface DigitsProgress extends DigitsLoss {
  readonly imagesPerSecond: number;
  readonly samples?: Float32Array;
  /** Why the run is not being stored, where it is not. */
  readonly notStored?: string;
}

export interface DigitsJobs {
  /**
   * Gets the data, and goes back to where the run was left, in this visit or an earlier one. A run of another tab is read
   * anew, and taken over once that tab is closed.
   */
  'digits/open': Job<{ batch: number }, string, DigitsStatus>;
  'digits/train': Job<{ sampleEvery: number }, DigitsProgress, DigitsStatus>;
  'digits/reset': Job<{ batch: number }, never, DigitsStatus>;
  'digits/export': Job<Record<string, never>, never, { weights: Uint8Array; config: string }>;
  /** Goes on from weights that somebody brings. */
  'digits/import': Job<{ bytes: Uint8Array; config: unknown; batch: number }, never, DigitsStatus>;
}

interface Session extends Omit<ImageModel, 'params'> {
  readonly dataset: Dataset;
  state: TrainState;
  batch: number;
  history: DigitsLoss[];
  elsewhere: boolean;
}

let session: Session | undefined;
/** Whether the stored run is this tab's. */
let owned = false;
let stopper: AbortController | undefined;
let turn: Promise<unknown> = Promise.resolve();

/** One job after another: none frees what another one uses, and none begins while a run is being stored. */
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const mine = turn.then(work);
  turn = mine.catch(() => {});
  return mine;
}

/** The run on digits with its averaged weights, which stay its own; undefined before it has any. */
export function trainedDigits(): ImageModel | undefined {
  if (session?.state.ema === undefined) return undefined;
  const { config, network, forward, batch, state } = session;
  return {
    config: { ...config, training: { ...config.training, batch } },
    network,
    forward,
    params: state.ema!,
  };
}

export const digitsJobs: Handlers<DigitsJobs> = {
  'digits/open': ({ batch }, { report }) =>
    inTurn(async () => {
      let notice: string | undefined;
      if (session === undefined || session.elsewhere) {
        const dataset = session?.dataset ?? (await data(report));
        const { parseConfig } = await import('@diffusion-ts/recipes/config');
        const preset = parseConfig(DIGITS, 'The run');
        const config = { ...preset, model: fitModel(preset, dataset) };
        const built = diffusionOf(config);
        report('Opening the run');
        owned ||= await own(FILE);
        const elsewhere = !owned;
        const stored = await restored(built, elsewhere);
        notice = stored.notice;
        const run = stored.run ?? { state: fresh({ config, ...built }), batch, history: [] };
        if (session) disposeState(session.state);
        session = { dataset, config, ...built, ...run, elsewhere };
      }
      if (session.state.step === 0) session.batch = batch;
      return status(session, await drawn(), notice);
    }),

  'digits/train': ({ sampleEvery }, { signal, report }) =>
    inTurn(async () => {
      const { dataset, config, network, forward, state, batch, history } = mine();
      stopper = stoppedBy(signal);
      const { steps, seed } = config.training;
      const startedAt = { time: performance.now(), step: state.step };
      const { dispose, ...options } = trainingOf(config, network, forward, rng(seed).fork('train'));
      const records = train({
        ...options,
        state,
        batches: (start) => batches(dataset, { size: batch, seed, start }),
        steps,
        signal: stopper.signal,
      });
      let away = 0;
      try {
        for await (const { step, loss, lossByQuartile } of records) {
          const now = performance.now();
          const seconds = (now - startedAt.time - away) / 1000;
          const taken = { step, loss, quartiles: lossByQuartile };
          history.push(taken);
          const progress = { ...taken, imagesPerSecond: (batch * (step - startedAt.step)) / seconds };
          if (step % sampleEvery !== 0) {
            report(progress);
            continue;
          }
          const notStored = await save(opened());
          const samples = await drawn();
          report({ ...progress, ...(samples && { samples }), ...(notStored !== undefined && { notStored }) });
          away += performance.now() - now;
        }
      } finally {
        dispose();
      }
      const notStored = await save(opened());
      return status(opened(), await drawn(), notStored);
    }),

  'digits/reset'({ batch }) {
    stopper?.abort();
    return inTurn(async () => {
      const current = mine();
      await forgetFiles([FILE]).catch(() => {});
      replace(current, fresh(current), batch);
      return status(current);
    });
  },

  async 'digits/export'() {
    const trained = trainedDigits();
    if (trained === undefined) throw new RangeError('There is nothing to export yet: train first.');
    const { network } = trained;
    const config = JSON.stringify(trained.config, null, 2);
    const metadata = { format: 'pt', config };
    const params = copied(trained.params);
    try {
      return { weights: await paramsToSafetensors(params, { layouts: network.layouts, metadata }), config };
    } finally {
      disposeParams(params);
    }
  },

  async 'digits/import'({ bytes, config, batch }) {
    const current = mine();
    // Whatever its config says, the weights must be those of the network that is trained here.
    const { params, config: own } = await readImageModel(bytes, config ?? current.config);
    try {
      checkParams('The weights', params, current.network.shapes);
      if (own.process.predicts !== current.config.process.predicts) {
        throw new RangeError(
          `These weights predict ${own.process.predicts}, and the network of this page predicts v.`,
        );
      }
    } catch (error) {
      disposeParams(params);
      throw error;
    }
    stopper?.abort();
    return inTurn(async () => {
      replace(current, initialState(params), batch);
      current.state.ema = copied(params);
      const notStored = await save(current);
      return status(current, await drawn(), notStored);
    });
  },
};

async function data(report: (doing: string) => void): Promise<Dataset> {
  report('Loading ten thousand digits');
  const [images, labels] = await Promise.all(
    ['data/images.bin', 'data/labels.bin'].map(async (name) => ({
      name,
      bytes: await gunzip(await fetchBytes(name)),
    })),
  );
  return fromIdx({ images: images!, labels: labels! });
}

function opened(): Session {
  if (session === undefined) throw new RangeError('The digits are not loaded yet.');
  return session;
}

/** The run, where it is this tab's to change. */
function mine(): Session {
  const current = opened();
  if (current.elsewhere) throw new RangeError(`The run on digits is ${ELSEWHERE}`);
  return current;
}

function copied(params: Params): Params {
  return mapParams(params, (tensor) => tf.clone(tensor));
}

function fresh({ config, network }: Pick<Session, 'config' | 'network'>): TrainState {
  return initialState(network.init(rng(config.training.seed).fork('init')));
}

/** Another run takes the place of this one. */
function replace(current: Session, state: TrainState, batch: number): void {
  disposeState(current.state);
  Object.assign(current, { state, batch, history: [] });
}

/** What is stored of a run beside its weights. */
type Notes = Pick<Session, 'batch' | 'history'>;

async function restored(
  { network }: Pick<Session, 'network'>,
  elsewhere: boolean,
): Promise<{ readonly run?: Notes & Pick<Session, 'state'>; readonly notice?: string }> {
  const file = (await storedFiles(FILE)).get(FILE);
  if (file === undefined) return {};
  try {
    const { state, notes } = readStateFile(new Uint8Array(await file.arrayBuffer()));
    const { batch, history } = notes as Notes;
    return { run: { state: state(network), batch, history } };
  } catch (error) {
    return elsewhere ? {} : { notice: await setAside(FILE, file, error) };
  }
}

/** Stores the run; says why where that is not possible. */
function save({ network, state, batch, history }: Session): Promise<string | undefined> {
  const notes: Notes = { batch, history };
  return keepFile(FILE, () => stateToFile(state, network, notes));
}

function status(
  { state, batch, history, dataset, elsewhere }: Session,
  samples?: Float32Array,
  notice?: string,
): DigitsStatus {
  return {
    step: state.step,
    batch,
    size: countParams(state.params),
    images: dataset.size,
    history,
    elsewhere,
    ...(samples && { samples }),
    ...(notice !== undefined && { notice }),
  };
}

/** The digits 0 to 9 as the network draws them now, always from the same noise. */
async function drawn(): Promise<Float32Array | undefined> {
  const trained = trainedDigits();
  if (trained === undefined) return undefined;
  const { network, params, forward, config } = trained;
  const { process, sampling } = config;
  const reverse = samplingProcess(network, params, forward, process, sampling.guidance);
  const sampler = samplerOf({ ...sampling, steps: SAMPLE_STEPS }, forward);
  const random = rng(3);
  const label = tf.tensor1d([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 'int32');
  const xT = latent(forward, random, [label.size, ...network.shape]);
  try {
    const x0 = await finish(sampler(reverse, xT, { rng: random, condition: { label } }));
    const images = await x0.data<'float32'>();
    x0.dispose();
    return images;
  } finally {
    tf.dispose([xT, label]);
    reverse.dispose();
  }
}
