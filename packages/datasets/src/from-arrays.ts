import { type Batch, checkIndices, type Dataset, toBatch } from './dataset.js';
import { labelProblem } from './labels.js';

/** An integer pixel as every image dataset stores it: k/127.5 − 1. */
export function pixelToUnit(k: number): number {
  return k / 127.5 - 1;
}

/**
 * A dataset in memory: the examples one after the other, each of `shape`. Bytes are images and become k/127.5 − 1;
 * floats stay as they are.
 *
 * @throws RangeError where `values` does not divide into examples or holds a number that is not finite, or where labels
 * and classes do not fit.
 */
export function fromArrays({
  values,
  shape,
  labels,
  classes,
}: {
  /** The numbers of all examples, one example after the other. */
  values: Uint8Array | Float32Array;
  /** Of one example. */
  shape: readonly number[];
  /** One for each example, `labels[i]` naming `classes[labels[i]]`; given together with `classes` or not at all. */
  labels?: ArrayLike<number> | undefined;
  /** The names of the classes. */
  classes?: readonly string[] | undefined;
}): Dataset {
  const each = shape.reduce((product, n) => product * n, 1);
  const size = values.length / each;
  if (!Number.isInteger(size) || size < 1) {
    throw new RangeError(
      `values has ${values.length} numbers, expected a positive multiple of ${each} for examples of shape [${shape.join(', ')}]`,
    );
  }
  const range = rangeOf(values);
  if ((labels === undefined) !== (classes === undefined)) {
    throw new RangeError(
      `${labels === undefined ? 'classes' : 'labels'} came alone, expected labels and classes together`,
    );
  }
  const problem = labels && classes && labelProblem(labels, classes.length, size, 'examples');
  if (problem !== undefined) throw new RangeError(`labels ${problem}`);
  const ownLabels = labels && Int32Array.from(labels);

  return {
    size,
    shape,
    range,
    ...(classes && { classes }),
    async batch(indices): Promise<Batch> {
      checkIndices(indices, size);
      const x0 = new Float32Array(indices.length * each);
      for (let i = 0; i < indices.length; i++) {
        const example = values.subarray(indices[i]! * each, (indices[i]! + 1) * each);
        if (example instanceof Uint8Array)
          for (let j = 0; j < each; j++) x0[i * each + j] = pixelToUnit(example[j]!);
        else x0.set(example, i * each);
      }
      return toBatch(x0, shape, ownLabels && Int32Array.from(indices, (index) => ownLabels[index]!));
    },
  };
}

function rangeOf(values: Uint8Array | Float32Array): readonly [number, number] {
  if (values instanceof Uint8Array) return [-1, 1];
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  values.forEach((value, i) => {
    if (!Number.isFinite(value)) throw new RangeError(`values[${i}] is ${value}, expected a finite number`);
    low = Math.min(low, value);
    high = Math.max(high, value);
  });
  return [low, high];
}
