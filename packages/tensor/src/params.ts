import type { Tensor } from '@tensorflow/tfjs-core';

/** A flat, named tree of tensors; the names are those of the PyTorch state dict, the order is that of insertion. */
export type Params = Readonly<Record<string, Tensor>>;

/** Applies `f` to every tensor; the result has the same names in the same order. */
export function mapParams(params: Params, f: (tensor: Tensor, name: string) => Tensor): Params {
  return Object.fromEntries(Object.entries(params).map(([name, tensor]) => [name, f(tensor, name)]));
}

/**
 * Applies `f` to the tensors of two trees that bear the same name; the order is that of `a`.
 * @throws RangeError if a name is in one tree only.
 */
export function zipParams(a: Params, b: Params, f: (a: Tensor, b: Tensor, name: string) => Tensor): Params {
  const extra = Object.keys(b).find((name) => a[name] === undefined);
  if (extra !== undefined) throw new RangeError(`params: "${extra}" is in the second tree only`);
  return mapParams(a, (tensor, name) => {
    const other = b[name];
    if (other === undefined) throw new RangeError(`params: "${name}" is in the first tree only`);
    return f(tensor, other, name);
  });
}

/** The number of scalars in the tree. */
export function countParams(params: Params): number {
  return Object.values(params).reduce((sum, tensor) => sum + tensor.size, 0);
}

/** Disposes every tensor of the tree. */
export function disposeParams(params: Params): void {
  for (const tensor of Object.values(params)) tensor.dispose();
}
