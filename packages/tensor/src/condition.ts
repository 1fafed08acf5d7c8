import * as tf from '@tensorflow/tfjs-core';
import { sameShape } from './same-shape.js';

/**
 * What a network may be told beside x_t and the time, by name: one row for each example in every tensor, such as `label`
 * int32 `[batch]` or `image` `[batch, height, width, channels]`.
 */
export type Condition = Readonly<Record<string, tf.Tensor>>;

/**
 * The rows `first` … `first + count − 1`, as new tensors.
 * @throws RangeError if a tensor has no such rows.
 */
export function takeRows(condition: Condition, first: number, count: number): Condition {
  return mapTensors(condition, (tensor, name) => {
    // tfjs's wasm kernel would read on behind the tensor.
    if (!(first >= 0 && count >= 0 && first + count <= (tensor.shape[0] ?? 0))) {
      throw new RangeError(
        `condition: "${name}", ${described(tensor)}, has no ${count} rows from row ${first} on`,
      );
    }
    return tf.slice(tensor, [first], [count]);
  });
}

/**
 * The rows of `a`, then those of `b`, as new tensors.
 * @throws RangeError if a name is in one of them only, or their rows differ in shape or type.
 */
export function joinRows(a: Condition, b: Condition): Condition {
  const alone = Object.keys({ ...a, ...b }).find((name) => a[name] === undefined || b[name] === undefined);
  if (alone !== undefined) throw new RangeError(`condition: "${alone}" is in one of the two only`);
  return mapTensors(a, (tensor, name) => {
    checkAlike(name, tensor, b[name]!);
    return tf.concat([tensor, b[name]!], 0);
  });
}

/**
 * Row by row that of `a` where the mask (bool `[batch]`) is true and that of `b` elsewhere, as new tensors. A tensor of
 * `a` with one row stands for that row again and again; what `a` does not name is `b`'s throughout.
 * @throws RangeError if `a` names what `b` does not, if their rows differ in shape or type, or if there are not as many rows
 * as the mask has entries.
 */
export function chooseRows(mask: tf.Tensor1D, a: Condition, b: Condition): Condition {
  const alone = Object.keys(a).find((name) => b[name] === undefined);
  if (alone !== undefined) throw new RangeError(`condition: "${alone}" is missing`);
  return mapTensors(b, (tensor, name) => {
    const chosen = a[name];
    if (chosen === undefined) return tf.clone(tensor);
    checkAlike(name, chosen, tensor);
    if (tensor.shape[0] !== mask.size || (chosen.shape[0] !== mask.size && chosen.shape[0] !== 1)) {
      throw new RangeError(
        `condition: "${name}" is ${described(chosen)} and ${described(tensor)}, of which a mask of ${mask.size} cannot choose`,
      );
    }
    const each = tf.reshape(mask, [mask.size, ...new Array<number>(tensor.rank - 1).fill(1)]);
    // tfjs's wasm kernel takes the booleans that it chooses from for wider than they are.
    return tensor.dtype === 'bool'
      ? tf.cast(tf.where(each, tf.cast(chosen, 'int32'), tf.cast(tensor, 'int32')), 'bool')
      : tf.where(each, chosen, tensor);
  });
}

function checkAlike(name: string, a: tf.Tensor, b: tf.Tensor): void {
  if (a.dtype !== b.dtype || !sameShape(a.shape.slice(1), b.shape.slice(1))) {
    throw new RangeError(
      `condition: "${name}" is ${described(a)} and ${described(b)}, expected rows of one shape and type`,
    );
  }
}

function described({ dtype, shape }: tf.Tensor): string {
  return `${dtype} [${shape}]`;
}

function mapTensors(condition: Condition, f: (tensor: tf.Tensor, name: string) => tf.Tensor): Condition {
  return tf.tidy(
    () =>
      Object.fromEntries(
        Object.entries(condition).map(([name, tensor]) => [name, f(tensor, name)]),
      ) as Condition & tf.NamedTensorMap,
  );
}
