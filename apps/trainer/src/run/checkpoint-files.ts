import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  paramsFromSafetensors,
  paramsToSafetensors,
  parseJson,
  prefixed,
  unprefixed,
} from '@diffusion-ts/checkpoints';
import type { Network } from '@diffusion-ts/recipes';
import { disposeParams, mismatch, type Params } from '@diffusion-ts/tensor';
import { progressOf, restoreState, type TrainState } from '@diffusion-ts/training';
import { Refusal, sentence } from '../errors.js';
import type { Files } from './checkpoints.js';

/** What is known of the parameters of a network before there are any. */
type Known = Pick<Network, 'shapes' | 'layouts'>;

export const MODEL = 'model.safetensors';
export const EMA = 'ema.safetensors';
const OPTIMIZER = 'optimizer.safetensors';
const STATE = 'state.json';

/** The files that a training state is saved as, with whatever else of plain JSON goes along. */
export async function checkpointFiles(
  state: TrainState,
  { layouts }: Pick<Known, 'layouts'>,
  rest: object,
): Promise<Files> {
  const weights = { layouts, metadata: { format: 'pt' } };
  const slots = Object.keys(state.slots);
  const ofSlots = <T>(tree: (slot: string) => Readonly<Record<string, T>>): Record<string, T> =>
    Object.assign({}, ...slots.map((slot) => prefixed(tree(slot), `${slot}.`)));
  return {
    [MODEL]: await paramsToSafetensors(state.params, weights),
    ...(state.ema && { [EMA]: await paramsToSafetensors(state.ema, weights) }),
    [OPTIMIZER]: await paramsToSafetensors(
      ofSlots((slot) => state.slots[slot]!),
      { layouts: ofSlots(() => layouts) },
    ),
    [STATE]: `${JSON.stringify({ ...progressOf(state), ema: state.ema !== undefined, ...rest })}\n`,
  };
}

/** The training state of a checkpoint's folder for such a network, and all of its JSON. */
export async function readCheckpoint(
  folder: string,
  network: Known,
): Promise<{ state: TrainState; rest: Record<string, unknown> }> {
  const progress = parse(join(folder, STATE), await contents(folder, STATE));
  const trees: Params[] = [];
  try {
    const params = await readWeights(folder, MODEL, network);
    trees.push(params);
    const moments = await readMoments(folder, network);
    trees.push(...Object.values(moments));
    const ema = progress.ema === false ? undefined : await readWeights(folder, EMA, network);
    if (ema) trees.push(ema);
    return { state: restoreState({ params, ...(ema && { ema }), slots: moments }, progress), rest: progress };
  } catch (error) {
    for (const tree of trees) disposeParams(tree);
    throw error instanceof Refusal
      ? error
      : new Refusal(`${folder} is damaged: ${sentence(error)}.`, { cause: error });
  }
}

// AdamW's, the only optimizer that a config can name.
const SLOTS = ['m', 'v'];

/** What the optimizer remembers; nothing, before the first step. */
async function readMoments(folder: string, { layouts }: Known): Promise<Record<string, Params>> {
  const all = await readTensors(
    folder,
    OPTIMIZER,
    Object.assign({}, ...SLOTS.map((slot) => prefixed(layouts, `${slot}.`))),
  );
  if (Object.keys(all).length === 0) return {};
  return Object.fromEntries(SLOTS.map((slot) => [slot, unprefixed(all, `${slot}.`)]));
}

/** The weights of such a network in one file of a checkpoint. */
export async function readWeights(folder: string, name: string, { shapes, layouts }: Known): Promise<Params> {
  const params = await readTensors(folder, name, layouts);
  const problem = mismatch(params, shapes);
  if (problem === undefined) return params;
  disposeParams(params);
  throw new Refusal(`${join(folder, name)} does not fit the network: ${problem}.`);
}

async function readTensors(folder: string, name: string, layouts: Network['layouts']): Promise<Params> {
  const bytes = await contents(folder, name);
  try {
    return paramsFromSafetensors(bytes, layouts);
  } catch (error) {
    throw new Refusal(`${join(folder, name)} is damaged: ${sentence(error)}.`, { cause: error });
  }
}

async function contents(folder: string, name: string): Promise<Buffer> {
  const file = join(folder, name);
  return readFile(file).catch((error) => {
    throw new Refusal(`The checkpoint cannot be read: ${sentence(error)}.`, { cause: error });
  });
}

function parse(file: string, bytes: Buffer): Record<string, unknown> {
  try {
    const value: unknown = parseJson(bytes.toString('utf8'));
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw new Refusal(`${file} is damaged: it is not a JSON object.`);
}
