import type { Layout } from '@diffusion-ts/tensor';
import { CheckpointError } from './checkpoint-error.js';

type Numbers = Float32Array | Int32Array;

interface Laid<T extends Numbers> {
  readonly shape: number[];
  readonly data: T;
}

/** @throws CheckpointError unless the layout, if there is one, names every axis of the tensor once. */
export function checkLayout(name: string, shape: readonly number[], layout: Layout | undefined): void {
  if (layout === undefined) return;
  if (layout.length === shape.length && layout.toSorted((a, b) => a - b).every((axis, i) => axis === i))
    return;
  throw new CheckpointError(
    `tensor "${name}": the layout [${layout}] is no permutation of the axes of shape [${shape}]`,
  );
}

/** A tensor of ours as PyTorch has it, the layout checked: axis i is axis `layout[i]` of ours. */
export function toPyTorch<T extends Numbers>(
  shape: readonly number[],
  data: T,
  layout: Layout | undefined,
): Laid<T> {
  return layout ? transpose(shape, data, layout) : { shape: [...shape], data };
}

/** The inverse of `toPyTorch`. */
export function fromPyTorch<T extends Numbers>(
  shape: readonly number[],
  data: T,
  layout: Layout | undefined,
): Laid<T> {
  const inverse = layout?.map((_, axis) => layout.indexOf(axis));
  return toPyTorch(shape, data, inverse);
}

/** Axis i of the result is axis `axes[i]` of the input. */
function transpose<T extends Numbers>(shape: readonly number[], data: T, axes: readonly number[]): Laid<T> {
  const strides = axes.map((axis) => shape.slice(axis + 1).reduce((product, n) => product * n, 1));
  const moved = axes.map((axis) => shape[axis]!);
  const result = data.slice() as T;
  let to = 0;
  const walk = (axis: number, from: number): void => {
    const count = moved[axis]!;
    const stride = strides[axis]!;
    if (axis === axes.length - 1) for (let i = 0; i < count; i++) result[to++] = data[from + i * stride]!;
    else for (let i = 0; i < count; i++) walk(axis + 1, from + i * stride);
  };
  walk(0, 0);
  return { shape: moved, data: result };
}
