import * as tf from '@tensorflow/tfjs-core';
import type { Rng } from './rng.js';

/**
 * Sources one above the other: row i of a draw is the first row of source i, so that every sample can have a seed of its
 * own, and be the same in whatever company.
 * @throws RangeError if there is none; when it draws more rows than there are sources.
 * @example
 * const source = stackedRng([3, 14, 15].map(rng));
 * const xT = source.normal([3, 28, 28, 1]); // its second image is that of rng(14).normal([1, 28, 28, 1])
 */
export function stackedRng(sources: readonly Rng[]): Rng {
  if (sources.length === 0) throw new RangeError('sources is empty, expected a source for every row');
  const firstOf = (rows: number): readonly Rng[] => {
    if (rows <= sources.length) return sources.slice(0, rows);
    throw new RangeError(`${rows} rows were asked of ${sources.length} sources, which have a row each`);
  };
  const drawn = (draw: (source: Rng, shape: number[]) => tf.Tensor, shape: readonly number[]): tf.Tensor => {
    const [rows = 1, ...rest] = shape;
    const of = firstOf(rows);
    if (shape.length === 0 || rows === 0) return draw(sources[0]!, [...shape]);
    return tf.tidy(() => tf.concat(of.map((source) => draw(source, [1, ...rest]))));
  };
  return {
    normal: (shape) => drawn((source, one) => source.normal(one), shape),
    uniform: (shape) => drawn((source, one) => source.uniform(one), shape),
    integers: (shape, max) => drawn((source, one) => source.integers(one, max), shape),
    doubles: (count) => Float64Array.from(firstOf(count), (source) => source.doubles(1)[0]!),
    fork: (label) => stackedRng(sources.map((source) => source.fork(label))),
    rows(first) {
      if (Number.isInteger(first) && first >= 0 && first < sources.length)
        return stackedRng(sources.slice(first).map((source) => source.rows(0)));
      throw new RangeError(`first must be a row of the ${sources.length} sources, not ${first}`);
    },
  };
}
