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
import { progressOf, restoreState, type TrainState, type TrainTrees } from '@diffusion-ts/training';

/** What is known of the parameters of a network before there are any. */
type Known = Pick<Network, 'shapes' | 'layouts'>;

/** The bytes of the file; `notes` is anything that JSON can hold. */
export async function stateToFile(
  state: TrainState,
  { layouts }: Pick<Known, 'layouts'>,
  notes: unknown,
): Promise<Uint8Array> {
  return paramsToSafetensors(treeOf(state), {
    layouts: together(Object.keys(treesOf(state)), () => layouts),
    metadata: { progress: JSON.stringify(progressOf(state)), notes: JSON.stringify(notes) },
  });
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
  const names = treesIn(tensors);
  return {
    notes: JSON.parse(notes),
    state({ shapes, layouts }) {
      const all = paramsFromSafetensors(
        bytes,
        together(names, () => layouts),
      );
      try {
        checkParams('the weights', unprefixed(all, 'params/'), shapes);
        return stateOf(all, JSON.parse(progress));
      } catch (error) {
        disposeParams(all);
        throw error;
      }
    },
  };
}

/** All tensors of a state in one tree: `params/…`, `ema/…`, and those of the optimizer. */
export function treeOf(state: TrainTrees): Params {
  const trees = treesOf(state);
  return together(Object.keys(trees), (name) => trees[name]!);
}

/**
 * The state whose tensors these are, which it takes over.
 * @throws RangeError if they are none of a state, or the progress is none.
 */
export function stateOf(tree: Params, progress: unknown): TrainState {
  const trees = Object.fromEntries(treesIn(tree).map((name) => [name, unprefixed(tree, `${name}/`)]));
  const { params = {}, ema, ...slots } = trees;
  return restoreState({ params, ...(ema && { ema }), slots }, progress);
}

function treesOf({ params, ema, slots }: TrainTrees): Readonly<Record<string, Params>> {
  return { params, ...(ema && { ema }), ...slots };
}

/** The names of the trees that these are the tensors of. */
function treesIn(tensors: Readonly<Record<string, unknown>>): string[] {
  return [...new Set(Object.keys(tensors).map((name) => name.slice(0, name.indexOf('/'))))];
}

/** The entries of several trees, each under the name of its tree. */
function together<T>(
  names: readonly string[],
  tree: (name: string) => Readonly<Record<string, T>>,
): Record<string, T> {
  return Object.assign({}, ...names.map((name) => prefixed(tree(name), `${name}/`)));
}
