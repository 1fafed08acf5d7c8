// A training run as one safetensors file: weights, average, what the optimizer remembers, where it stands, and what else
// belongs to it.

import {
  CheckpointError,
  paramsFromSafetensors,
  paramsToSafetensors,
  prefixed,
  readSafetensors,
  unprefixed,
} from '@diffusion-ts/checkpoints';
import type { Network } from '@diffusion-ts/recipes';
import { checkParams, disposeParams, type Params } from '@diffusion-ts/tensor';
import { progressOf, restoreState, type TrainState } from '@diffusion-ts/training';

/** What is known of the parameters of a network before there are any. */
type Known = Pick<Network, 'shapes' | 'layouts'>;

/** The bytes of the file; `notes` is anything that JSON can hold. */
export async function stateToFile(
  state: TrainState,
  { layouts }: Pick<Known, 'layouts'>,
  notes: unknown,
): Promise<Uint8Array> {
  const { params, ema, slots } = state;
  const trees: Readonly<Record<string, Params>> = { params, ...(ema && { ema }), ...slots };
  const names = Object.keys(trees);
  return paramsToSafetensors(
    together(names, (name) => trees[name]!),
    {
      layouts: together(names, () => layouts),
      metadata: { progress: JSON.stringify(progressOf(state)), notes: JSON.stringify(notes) },
    },
  );
}

/** A run in a file, before it is known which network it is of. */
export interface StateFile {
  readonly notes: unknown;
  /** @throws CheckpointError, RangeError or SyntaxError if the state is none, or not of such a network. */
  state(network: Known): TrainState;
}

/** @throws CheckpointError or SyntaxError if the bytes are no such file. */
export function readStateFile(bytes: Uint8Array): StateFile {
  const { tensors, metadata } = readSafetensors(bytes);
  const { progress, notes } = metadata;
  if (progress === undefined || notes === undefined)
    throw new CheckpointError('the file does not say where the run stands');
  const names = [...new Set(Object.keys(tensors).map((name) => name.slice(0, name.indexOf('/'))))];
  return {
    notes: JSON.parse(notes),
    state({ shapes, layouts }) {
      const all = paramsFromSafetensors(
        bytes,
        together(names, () => layouts),
      );
      try {
        const trees = Object.fromEntries(names.map((name) => [name, unprefixed(all, `${name}/`)]));
        const { params = {}, ema, ...slots } = trees;
        checkParams('the weights', params, shapes);
        return restoreState({ params, ...(ema && { ema }), slots }, JSON.parse(progress));
      } catch (error) {
        disposeParams(all);
        throw error;
      }
    },
  };
}

/** The entries of several trees, each under the name of its tree. */
function together<T>(
  names: readonly string[],
  tree: (name: string) => Readonly<Record<string, T>>,
): Record<string, T> {
  return Object.assign({}, ...names.map((name) => prefixed(tree(name), `${name}/`)));
}
