type Numbers = Float32Array | Int32Array;

interface Laid<T extends Numbers> {
  readonly shape: number[];
  readonly data: T;
}

// Axes of PyTorch's layout in ours: convolutions OIHW → HWIO, linear maps [out, in] → [in, out].
const CONVOLUTION = [2, 3, 1, 0];
const CONVOLUTION_BACK = [3, 2, 0, 1];
const LINEAR = [1, 0];

/** A tensor of a PyTorch state dict in our layout. What it is shows in its name and rank. */
export function fromPyTorch<T extends Numbers>(name: string, shape: readonly number[], data: T): Laid<T> {
  if (isConvolution(name, shape)) return transpose(shape, data, CONVOLUTION);
  if (isLinear(name, shape)) return transpose(shape, data, LINEAR);
  return { shape: [...shape], data };
}

/** The inverse of `fromPyTorch`. */
export function toPyTorch<T extends Numbers>(name: string, shape: readonly number[], data: T): Laid<T> {
  if (isConvolution(name, shape)) return transpose(shape, data, CONVOLUTION_BACK);
  if (isLinear(name, shape)) return transpose(shape, data, LINEAR);
  return { shape: [...shape], data };
}

function isConvolution(name: string, shape: readonly number[]): boolean {
  return shape.length === 4 && name.endsWith('.weight');
}

/** An embedding table has rank 2 as well, but is looked up by row in both worlds. */
function isLinear(name: string, shape: readonly number[]): boolean {
  return shape.length === 2 && name.endsWith('.weight') && !name.endsWith('embedding.weight');
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
