import * as tf from '@tensorflow/tfjs-core';

/**
 * What a network may be told beside x_t and the time, by name: one row for each example in every tensor, such as `label`
 * int32 `[batch]` or `image` `[batch, height, width, channels]`.
 */
export type Condition = Readonly<Record<string, tf.Tensor>>;

/** The rows `first` … `first + count − 1`, as new tensors. */
export function takeRows(condition: Condition, first: number, count: number): Condition {
  return mapTensors(condition, (tensor) => tf.slice(tensor, [first], [count]));
}

/**
 * The rows of `a`, then those of `b`, as new tensors.
 * @throws RangeError if a name is in one of them only.
 */
export function joinRows(a: Condition, b: Condition): Condition {
  const alone = Object.keys({ ...a, ...b }).find((name) => a[name] === undefined || b[name] === undefined);
  if (alone !== undefined) throw new RangeError(`condition: "${alone}" is in one of the two only`);
  return mapTensors(a, (tensor, name) => tf.concat([tensor, b[name]!], 0));
}

/**
 * Row by row that of `a` where the mask (bool `[batch]`) is true and that of `b` elsewhere, as new tensors. A tensor of
 * `a` with one row stands for that row again and again; what `a` does not name is `b`'s throughout.
 * @throws RangeError if `a` names what `b` does not.
 */
export function chooseRows(mask: tf.Tensor1D, a: Condition, b: Condition): Condition {
  const alone = Object.keys(a).find((name) => b[name] === undefined);
  if (alone !== undefined) throw new RangeError(`condition: "${alone}" is missing`);
  return mapTensors(b, (tensor, name) => {
    const chosen = a[name];
    if (chosen === undefined) return tf.clone(tensor);
    return tf.tidy(() => {
      const each = tf.reshape(mask, [mask.size, ...new Array<number>(tensor.rank - 1).fill(1)]);
      return tf.where(tf.broadcastTo(each, tensor.shape), tf.broadcastTo(chosen, tensor.shape), tensor);
    });
  });
}

function mapTensors(condition: Condition, f: (tensor: tf.Tensor, name: string) => tf.Tensor): Condition {
  return tf.tidy(
    () =>
      Object.fromEntries(
        Object.entries(condition).map(([name, tensor]) => [name, f(tensor, name)]),
      ) as Condition & tf.NamedTensorMap,
  );
}
