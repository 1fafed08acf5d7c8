import type { Tensor } from '@tensorflow/tfjs-core';

/** A flat, named tree of tensors; the names are those of the PyTorch state dict, the order is that of insertion. */
export type Params = Readonly<Record<string, Tensor>>;

/** The shape of every tensor of a tree, by its name. */
export type Shapes = Readonly<Record<string, readonly number[]>>;

/**
 * Where PyTorch has the axes of a tensor of ours: its axis i is our axis `layout[i]`, so that `tf.transpose(x, layout)` is
 * laid out as PyTorch has it. Of a convolution, HWIO here and OIHW there, it is [3, 2, 0, 1].
 */
export type Layout = readonly number[];

/** The layouts of a tree, by name: of those tensors that PyTorch lays out otherwise, and no others. */
export type Layouts = Readonly<Record<string, Layout>>;

/**
 * What keeps a tree from having just these names and shapes, as the rest of a sentence about the tree; undefined where
 * nothing does.
 */
export function mismatch(params: Params, shapes: Shapes): string | undefined {
  for (const [name, shape] of Object.entries(shapes)) {
    const found = params[name]?.shape;
    if (found === undefined) return `"${name}" is missing`;
    if (found.join() !== shape.join()) return `"${name}" must have shape [${shape}], not [${found}]`;
  }
  const extra = Object.keys(params).find((name) => shapes[name] === undefined);
  return extra === undefined ? undefined : `"${extra}" is not among those expected`;
}

/** @throws RangeError if the tree, which the message calls `tree`, does not have these names and shapes. */
export function checkParams(tree: string, params: Params, shapes: Shapes): void {
  const problem = mismatch(params, shapes);
  if (problem !== undefined) throw new RangeError(`${tree}: ${problem}`);
}

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
