// A whole run on digits as one safetensors file: weights, average, both moments, and where it stands.

import {
  CheckpointError,
  paramsFromSafetensors,
  paramsToSafetensors,
  readSafetensors,
} from '@diffusion-ts/checkpoints';
import { disposeParams, type Params } from '@diffusion-ts/tensor';
import { progressOf, restoreState, type TrainState } from '@diffusion-ts/training';

const TREES = ['params', 'ema', 'm', 'v'] as const;

export async function checkpointOf(state: TrainState, batch: number): Promise<Uint8Array> {
  const all = Object.fromEntries(
    TREES.flatMap((tree) =>
      Object.entries(state[tree] ?? {}).map(([name, tensor]) => [`${tree}/${name}`, tensor] as const),
    ),
  );
  const metadata = { progress: JSON.stringify(progressOf(state)), batch: `${batch}` };
  return paramsToSafetensors(all, { metadata });
}

/**
 * @throws CheckpointError or RangeError if the bytes are no such file.
 */
export function stateFrom(bytes: Uint8Array): { state: TrainState; batch: number } {
  const { metadata } = readSafetensors(bytes);
  if (metadata.progress === undefined)
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
    const state = restoreState(
      Object.keys(ema).length > 0 ? { ...trees, ema } : trees,
      JSON.parse(metadata.progress),
    );
    return { state, batch: Number(metadata.batch) };
  } catch (error) {
    disposeParams(all);
    throw error;
  }
}
