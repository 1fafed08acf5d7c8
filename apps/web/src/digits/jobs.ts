import { paramsToSafetensors } from '@diffusion-ts/checkpoints';
import { single } from '@diffusion-ts/parallel';
import { diffusionOf, fitModel } from '@diffusion-ts/recipes';
import {
  checkParams,
  countParams,
  disposeParams,
  finish,
  mapParams,
  type Params,
  rng,
} from '@diffusion-ts/tensor';
import { disposeState, initialState, type TrainState } from '@diffusion-ts/training';
import * as tf from '@tensorflow/tfjs-core';
import { type ImageModel, readImageModel } from '../files/image-model.js';
import { type Handlers, type Job, stoppedBy } from '../lab/protocol.js';
import { stopHelpers, together } from '../lab/ranks.js';
import { readStateFile, stateToFile } from '../lab/state-file.js';
import { ELSEWHERE, forgetFiles, keepFile, own, setAside, storedFiles } from '../lab/storage.js';
import { DIGITS } from './config.js';
import { loadDigits } from './data.js';
import { ranksFor } from './ranks-for.js';
import {
  type DigitsLoss,
  type DigitsRun,
  type DigitsStep,
  drawDigits,
  giveState,
  shareOf,
  trainDigits,
} from './train.js';

const FILE = 'digits.safetensors';

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

export interface DigitsProgress extends DigitsStep {
  /** Why the run is not being stored, where it is not. */
  readonly notStored?: string;
}

export interface DigitsJobs {
  /**
   * Gets the data, and goes back to where the run was left, in this visit or an earlier one. A run of another tab is read
   * anew, and taken over once that tab is closed.
   */
  'digits/open': Job<{ batch: number }, string, DigitsStatus>;
  'digits/train': Job<{ sampleEvery: number; workers: number }, DigitsProgress, DigitsStatus>;
  'digits/reset': Job<{ batch: number }, never, DigitsStatus>;
  'digits/export': Job<Record<string, never>, never, { weights: Uint8Array; config: string }>;
  /** Goes on from weights that somebody brings. */
  'digits/import': Job<{ bytes: Uint8Array; config: unknown; batch: number }, never, DigitsStatus>;
}

interface Session extends DigitsRun {
  state: TrainState;
  batch: number;
  history: DigitsLoss[];
  elsewhere: boolean;
}

let session: Session | undefined;
/** Whether the stored run is this tab's. */
let owned = false;
/** Of the trainings that are under way or wait for their turn. */
const stoppers = new Set<AbortController>();
let turn: Promise<unknown> = Promise.resolve();

/** One job after another: none frees what another one uses, and none begins while a run is being stored. */
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const mine = turn.then(work);
  turn = mine.catch(() => {});
  return mine;
}

function stopTraining(): void {
  for (const stopper of stoppers) stopper.abort();
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
        if (session === undefined) report('Loading ten thousand digits');
        const dataset = session?.dataset ?? (await loadDigits());
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
      return status(session, await drawDigits(single(), session), notice);
    }),

  'digits/train': ({ sampleEvery, workers }, { signal, report }) => {
    const stopper = stoppedBy(signal);
    stoppers.add(stopper);
    return inTurn(async () => {
      const run = mine();
      const plan = { sampleEvery, signal: stopper.signal };
      const size = ranksFor(run.batch, workers);
      const work = together(size, 'digits', shareOf(run, sampleEvery), async (communicator) => {
        await giveState(communicator, run.state);
        return finish(trainDigits(communicator, run, plan), async (taken) => {
          const { step, loss, quartiles } = taken;
          run.history.push({ step, loss, quartiles });
          const notStored = taken.samples && (await save(run));
          report({ ...taken, ...(notStored !== undefined && { notStored }) });
        });
      });
      // Also where it failed: the run is whole, and goes on from there.
      const notStored = await work.then(
        () => save(run),
        () => save(run),
      );
      return status(run, await work, notStored);
    }).finally(() => stoppers.delete(stopper));
  },

  'digits/reset'({ batch }) {
    stopTraining();
    return inTurn(async () => {
      const current = mine();
      await forgetFiles([FILE]).catch(() => {});
      stopHelpers();
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
    stopTraining();
    return inTurn(async () => {
      replace(current, initialState(params), batch);
      current.state.ema = copied(params);
      const notStored = await save(current);
      return status(current, await drawDigits(single(), current), notStored);
    });
  },
};

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
