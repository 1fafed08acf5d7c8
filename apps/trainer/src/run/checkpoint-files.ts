import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { paramsFromSafetensors, paramsToSafetensors } from '@diffusion-ts/checkpoints';
import { disposeParams, type Params } from '@diffusion-ts/tensor';
import { progressOf, restoreState, type TrainState } from '@diffusion-ts/training';
import { Refusal, sentence } from '../errors.js';
import type { Files } from './checkpoints.js';

type Shapes = Readonly<Record<string, readonly number[]>>;

export const MODEL = 'model.safetensors';
export const EMA = 'ema.safetensors';
const OPTIMIZER = 'optimizer.safetensors';
const STATE = 'state.json';

/** The files that a training state is saved as, with whatever else of plain JSON goes along. */
export async function checkpointFiles(state: TrainState, rest: object): Promise<Files> {
  const moments: Params = { ...prefixed('m.', state.m), ...prefixed('v.', state.v) };
  return {
    [MODEL]: await paramsToSafetensors(state.params, { metadata: { format: 'pt' } }),
    ...(state.ema && { [EMA]: await paramsToSafetensors(state.ema, { metadata: { format: 'pt' } }) }),
    [OPTIMIZER]: await paramsToSafetensors(moments),
    [STATE]: `${JSON.stringify({ ...progressOf(state), ema: state.ema !== undefined, ...rest })}\n`,
  };
}

/** The training state of a checkpoint's folder for a network of these shapes, and all of its JSON. */
export async function readCheckpoint(
  folder: string,
  shapes: Shapes,
): Promise<{ state: TrainState; rest: Record<string, unknown> }> {
  const progress = parse(join(folder, STATE), await contents(folder, STATE));
  const trees: Params[] = [];
  try {
    const params = await readWeights(folder, MODEL, shapes);
    trees.push(params);
    const moments = await readWeights(folder, OPTIMIZER);
    trees.push(moments);
    const ema = progress.ema === false ? undefined : await readWeights(folder, EMA, shapes);
    if (ema) trees.push(ema);
    const m = unprefixed('m.', moments);
    const v = unprefixed('v.', moments);
    return { state: restoreState({ params, ...(ema && { ema }), m, v }, progress), rest: progress };
  } catch (error) {
    for (const tree of trees) disposeParams(tree);
    throw error instanceof Refusal
      ? error
      : new Refusal(`${folder} is damaged: ${sentence(error)}.`, { cause: error });
  }
}

/** The weights in one file of a checkpoint, checked against the shapes of a network where these are given. */
export async function readWeights(folder: string, name: string, shapes?: Shapes): Promise<Params> {
  const bytes = await contents(folder, name);
  let params: Params;
  try {
    params = paramsFromSafetensors(bytes);
  } catch (error) {
    throw new Refusal(`${join(folder, name)} is damaged: ${sentence(error)}.`, { cause: error });
  }
  const problem = shapes && mismatch(params, shapes);
  if (problem === undefined) return params;
  disposeParams(params);
  throw new Refusal(`${join(folder, name)} does not fit the network: ${problem}.`);
}

/** What keeps a tree of weights from being those of a network of these shapes, if anything does. */
export function mismatch(params: Params, shapes: Shapes): string | undefined {
  for (const [name, shape] of Object.entries(shapes)) {
    const found = params[name]?.shape;
    if (found === undefined) return `"${name}" is missing`;
    if (found.join() !== shape.join()) return `"${name}" has shape [${found}], expected [${shape}]`;
  }
  const extra = Object.keys(params).find((name) => shapes[name] === undefined);
  return extra === undefined ? undefined : `it has no "${extra}"`;
}

async function contents(folder: string, name: string): Promise<Buffer> {
  const file = join(folder, name);
  return readFile(file).catch((error) => {
    throw new Refusal(`The checkpoint cannot be read: ${sentence(error)}.`, { cause: error });
  });
}

function parse(file: string, bytes: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw new Refusal(`${file} is damaged: it is not a JSON object.`);
}

function prefixed(prefix: string, params: Params): Params {
  return Object.fromEntries(Object.entries(params).map(([name, tensor]) => [prefix + name, tensor]));
}

function unprefixed(prefix: string, params: Params): Params {
  return Object.fromEntries(
    Object.entries(params).flatMap(([name, tensor]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), tensor] as const] : [],
    ),
  );
}
