import type { Condition, Rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';

/** Examples that can be asked for by their indices 0 … size − 1. */
export interface Dataset {
  /** How many examples there are. */
  readonly size: number;
  /** Of one example: `[height, width, channels]` of an image, `[2]` of a point in the plane. */
  readonly shape: readonly number[];
  /** The lowest and the highest number that x_0 holds; an integer image k is k/127.5 − 1, so [−1, 1]. */
  readonly range: readonly [number, number];
  /** Names of the classes, where the examples are labelled: label k is `classes[k]`. */
  readonly classes?: readonly string[];
  /**
   * A hash by which the same examples are known again wherever they lie: of the contents of a file, or of the names and sizes
   * of the files in a folder. Absent where the examples are made and not read.
   */
  fingerprint?(): Promise<string>;
  /**
   * The examples at `indices`, in that order. Random augmentations (flips) are drawn from `random`; without it there
   * are none. The tensors belong to the caller.
   *
   * @throws RangeError where an index is not one of 0 … size − 1.
   */
  batch(indices: ArrayLike<number>, random?: Rng): Promise<Batch>;
}

/** Examples, and what a network is told of each; row i of every tensor belongs to example i. */
export interface Batch {
  /** float32 `[batch, …shape]`. */
  readonly x0: tf.Tensor;
  /** `label` int32 `[batch]` where the dataset has classes, each in 0 … classes − 1; whatever else a dataset knows. */
  readonly condition?: Condition;
  /** What each example is to be mixed with, of the shape of `x0`, where the data are pairs (reflow). */
  readonly noise?: tf.Tensor;
}

/** The same examples but for what is said otherwise: a dataset may be an instance of a class, which cannot be spread. */
export function derived(dataset: Dataset, changes: Pick<Dataset, 'batch'> & Partial<Dataset>): Dataset {
  const { size, shape, range, classes } = dataset;
  return {
    size,
    shape,
    range,
    ...(classes && { classes }),
    ...(dataset.fingerprint && { fingerprint: () => dataset.fingerprint!() }),
    ...changes,
  };
}

/**
 * Asserts that the indices a batch is asked for are those of examples.
 * @throws RangeError unless every index is one of 0 … size − 1.
 */
export function checkIndices(indices: ArrayLike<number>, size: number): void {
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i]!;
    if (!Number.isInteger(index) || index < 0 || index >= size) {
      throw new RangeError(`indices[${i}] is ${index}, expected a whole number in 0 … ${size - 1}`);
    }
  }
}

/**
 * The tensors of a batch from its numbers: the examples one after the other, each of `shape`, and one label for each where
 * there are classes. The caller disposes them.
 * @throws RangeError if the values do not divide into examples, or there are not as many labels.
 */
export function toBatch(values: Float32Array, shape: readonly number[], labels?: Int32Array): Batch {
  const each = shape.reduce((product, n) => product * n, 1);
  const count = values.length / each;
  if (!Number.isInteger(count)) {
    throw new RangeError(
      `values has ${values.length} numbers, expected a multiple of ${each} for examples of shape [${shape.join(', ')}]`,
    );
  }
  if (labels !== undefined && labels.length !== count) {
    throw new RangeError(
      `labels has ${labels.length} labels, expected one for each of the ${count} examples`,
    );
  }
  const x0 = tf.tensor(values, [count, ...shape], 'float32');
  return labels === undefined ? { x0 } : { x0, condition: { label: tf.tensor1d(labels, 'int32') } };
}

/** Disposes every tensor of the batch. */
export function disposeBatch({ x0, condition, noise }: Batch): void {
  tf.dispose([x0, ...Object.values(condition ?? {}), noise ?? []]);
}
