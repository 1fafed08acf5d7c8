import * as tf from '@tensorflow/tfjs-core';
import { checkTensor, described } from './check-tensor.js';
import { sameShape } from './same-shape.js';

/** A number of the host for each example of a batch, or one for all of them: a time, or a coefficient in float64. */
export type PerExample = number | Float64Array;

/** f of each number: of one for all, or of each example's own. */
export function mapExamples(t: PerExample, f: (t: number) => number): PerExample {
  return typeof t === 'number' ? f(t) : t.map(f);
}

/** f of two numbers of each example; one number for all where both are. */
export function zipExamples(a: PerExample, b: PerExample, f: (a: number, b: number) => number): PerExample {
  if (typeof a === 'number') return mapExamples(b, (one) => f(a, one));
  return a.map((one, i) => f(one, typeof b === 'number' ? b : b[i]!));
}

/**
 * Asserts that `t` is a number, or has one for each example of `x`, which the message calls `likeName`: one of another
 * length would broadcast, and a wrong answer would come out without a word.
 * @throws TypeError if it is neither a number nor a Float64Array, or `x` is no tensor or disposed; RangeError if its
 * length is not that of the batch.
 */
export function checkPerExample(name: string, t: PerExample, likeName: string, x: tf.Tensor): void {
  checkTensor(likeName, x);
  if (typeof t === 'number') return;
  if (!(t instanceof Float64Array)) {
    throw new TypeError(
      `${name} must be a number, or a Float64Array of one for each example, not ${described(t)}`,
    );
  }
  if (t.length !== x.shape[0]) {
    throw new RangeError(
      `${name} must have one number for each example of ${likeName}: ${t.length} came for ${likeName} of shape [${x.shape}]`,
    );
  }
}

/** The numbers as float32 `[count]`, each rounded once. */
export function perExampleTensor(t: PerExample, count: number): tf.Tensor1D {
  return typeof t === 'number' ? tf.fill([count], t) : tf.tensor1d(Float32Array.from(t));
}

/**
 * a x + b y, a and b each one number or one for each example: x and y `[batch, …]` of the same shape. What is multiplied
 * by 0 in every example is not looked at, and by 1 taken as it is.
 * @throws TypeError if a or b is neither a number nor a Float64Array; RangeError if the shapes differ, or there are not as
 * many numbers as examples.
 */
export function axpby(a: PerExample, x: tf.Tensor, b: PerExample, y: tf.Tensor): tf.Tensor {
  checkPerExample('a', a, 'x', x);
  checkPerExample('b', b, 'y', y);
  if (!sameShape(x.shape, y.shape)) {
    throw new RangeError(`x and y must have one shape, not [${x.shape}] and [${y.shape}]`);
  }
  return tf.tidy(() => {
    const ax = scaled(a, x);
    const by = scaled(b, y);
    if (ax !== undefined && by !== undefined) return tf.add(ax, by);
    const only = ax ?? by;
    return only === undefined ? tf.zerosLike(x) : tf.clone(only);
  });
}

/** a x; undefined where a is 0. */
function scaled(a: PerExample, x: tf.Tensor): tf.Tensor | undefined {
  if (typeof a !== 'number') {
    if (a.every((one) => one === a[0])) return scaled(a[0] ?? 0, x);
    return tf.mul(
      x,
      tf.reshape(perExampleTensor(a, a.length), [a.length, ...new Array<number>(x.rank - 1).fill(1)]),
    );
  }
  if (a === 0) return undefined;
  return a === 1 ? x : tf.mul(x, a);
}
