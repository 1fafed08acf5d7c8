// A training run as one safetensors file: weights, average, both moments, where it stands, and what else belongs to it.

import {
  CheckpointError,
  paramsFromSafetensors,
  paramsToSafetensors,
  readSafetensors,
} from '@diffusion-ts/checkpoints';
import { disposeParams, type Params } from '@diffusion-ts/tensor';
import { progressOf, restoreState, type TrainState } from '@diffusion-ts/training';

const TREES = ['params', 'ema', 'm', 'v'] as const;

/** The bytes of the file; `notes` is anything that JSON can hold. */
export async function stateToFile(state: TrainState, notes: unknown): Promise<Uint8Array> {
  const all = Object.fromEntries(
    TREES.flatMap((tree) =>
      Object.entries(state[tree] ?? {}).map(([name, tensor]) => [`${tree}/${name}`, tensor] as const),
    ),
  );
  const metadata = { progress: JSON.stringify(progressOf(state)), notes: JSON.stringify(notes) };
  return paramsToSafetensors(all, { metadata });
}

/**
 * @throws CheckpointError, RangeError or SyntaxError if the bytes are no such file.
 */
export function stateFromFile(bytes: Uint8Array): { state: TrainState; notes: unknown } {
  const { progress, notes } = readSafetensors(bytes).metadata;
  if (progress === undefined || notes === undefined)
    throw new CheckpointError('the file does not say where the run stands');
  const all = paramsFromSafetensors(bytes);
  try {
    const tree = (wanted: string): Params =>
      Object.fromEntries(
        Object.entries(all)
          .filter(([name]) => name.startsWith(`${wanted}/`))
          .map(([name, tensor]) => [name.slice(wanted.length + 1), tensor]),
      );
    const ema = tree('ema');
    const trees = { params: tree('params'), m: tree('m'), v: tree('v') };
    const state = restoreState(Object.keys(ema).length > 0 ? { ...trees, ema } : trees, JSON.parse(progress));
    return { state, notes: JSON.parse(notes) };
  } catch (error) {
    disposeParams(all);
    throw error;
  }
}
