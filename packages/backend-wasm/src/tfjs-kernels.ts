import * as tf from '@tensorflow/tfjs-core';
import { convolve, convolveFilterGradient, convolveInputGradient, state } from './convolution.js';
import { product } from './product.js';
import { type Room, roomOf, type WasmBackend } from './room.js';
import {
  areFloats,
  expectFloats,
  expectLengths,
  expectShape,
  expectWhole,
  isShape,
  sizeOf,
} from './shapes.js';
import { type TfjsConvolution, tfjsConvolution } from './tfjs-geometry.js';

type Inputs = Record<string, tf.TensorInfo>;

/**
 * A kernel of tfjs. `run` checks what it is given before it touches any memory, since tfjs leaves some checks to its
 * kernels. It throws, or returns undefined for what it leaves to the kernel that tfjs itself has under this name, if it
 * has one: other types than float32, other images than NHWC, rare attributes.
 */
interface TfjsKernel {
  readonly name: string;
  run(room: Room, inputs: Inputs, attrs: tf.NamedAttrMap): tf.TensorInfo | tf.TensorInfo[] | undefined;
}

/** Registers the kernels that tfjs lacks on wasm, and puts ours in front of those of its own that are slow. */
export function registerTfjsKernels(): void {
  for (const { name, run } of tfjsKernels) {
    const own = tf.getKernel(name, 'wasm');
    if (own !== undefined) tf.unregisterKernel(name, 'wasm');
    tf.registerKernel({
      ...own,
      kernelName: name,
      backendName: 'wasm',
      kernelFunc: (args) => {
        const attrs = args.attrs ?? {};
        const room = roomOf(args.backend as WasmBackend);
        const ours = room.attempt(() => run(room, args.inputs as Inputs, attrs));
        if (ours !== undefined) return ours;
        if (own === undefined)
          throw new RangeError(`${name} on wasm takes images in NHWC, not ${attrs.dataFormat}`);
        return own.kernelFunc(args);
      },
    });
  }
}

export const tfjsKernels: readonly TfjsKernel[] = [
  {
    name: tf.Conv2D,
    run: (room, { x, filter }, attrs) => fusedConvolution(tf.Conv2D, room, x!, filter!, undefined, attrs),
  },
  {
    name: tf.FusedConv2D,
    run: (room, { x, filter, bias }, attrs) =>
      fusedConvolution(tf.FusedConv2D, room, x!, filter!, bias, attrs),
  },
  {
    name: tf.Conv2DBackpropInput,
    run: (room, { dy, filter }, attrs) => {
      const kernel = tf.Conv2DBackpropInput;
      expectFloats(kernel, { dy: dy!, filter: filter! });
      const convolution = tfjsConvolution(kernel, attrs.inputShape as number[], filter!.shape, attrs);
      expectCovers(kernel, dy!, convolution);
      if (!convolution.isNhwc) return undefined;
      return withFitting(room, dy!, convolution, (dy) =>
        convolveInputGradient(room, dy, filter!, convolution.geometry),
      );
    },
  },
  {
    name: tf.Conv2DBackpropFilter,
    run: (room, { x, dy }, attrs) => {
      const kernel = tf.Conv2DBackpropFilter;
      expectFloats(kernel, { x: x!, dy: dy! });
      const convolution = tfjsConvolution(kernel, x!.shape, attrs.filterShape as number[], attrs);
      expectCovers(kernel, dy!, convolution);
      if (!convolution.isNhwc) return undefined;
      return withFitting(room, dy!, convolution, (dy) =>
        convolveFilterGradient(room, x!, dy, convolution.geometry),
      );
    },
  },
  {
    name: tf.DepthwiseConv2dNativeBackpropInput,
    run: (room, { dy, filter }, attrs) => {
      const kernel = tf.DepthwiseConv2dNativeBackpropInput;
      expectFloats(kernel, { dy: dy!, filter: filter! });
      const inputShape = attrs.inputShape as number[];
      const { geometry: g, y, isNhwc } = tfjsConvolution(kernel, inputShape, filter!.shape, attrs, true);
      expectShape(kernel, 'dy', dy!.shape, y);
      if (!isNhwc) return undefined;
      const dx = room.output(inputShape);
      state(room, g);
      room.kernels.depthwiseInputGradient(
        room.address(dy!),
        g.batch,
        room.address(filter!),
        room.address(dx),
      );
      return dx;
    },
  },
  {
    name: tf.DepthwiseConv2dNativeBackpropFilter,
    run: (room, { x, dy }, attrs) => {
      const kernel = tf.DepthwiseConv2dNativeBackpropFilter;
      expectFloats(kernel, { x: x!, dy: dy! });
      const filterShape = attrs.filterShape as number[];
      const { geometry: g, y, isNhwc } = tfjsConvolution(kernel, x!.shape, filterShape, attrs, true);
      expectShape(kernel, 'dy', dy!.shape, y);
      if (!isNhwc) return undefined;
      const dw = room.output(filterShape);
      state(room, g);
      room.kernels.depthwiseFilterGradient(room.address(x!), g.batch, room.address(dy!), room.address(dw));
      return dw;
    },
  },
  {
    name: tf.BatchMatMul,
    run: (room, { a, b }, attrs) => fusedProduct(tf.BatchMatMul, room, a!, b!, undefined, attrs),
  },
  {
    name: tf._FusedMatMul,
    run: (room, { a, b, bias }, attrs) => fusedProduct(tf._FusedMatMul, room, a!, b!, bias, attrs),
  },
  {
    // tfjs copies the tensor, and its gradient tape clones every tensor that it saves.
    name: tf.Identity,
    run: (room, { x }) => room.share(x!),
  },
  {
    name: tf.UnsortedSegmentSum,
    run: (room, { x, segmentIds }, { numSegments }) => {
      const kernel = tf.UnsortedSegmentSum;
      expectFloats(kernel, { x: x! });
      if (segmentIds!.dtype !== 'int32') {
        throw new TypeError(`${kernel}: segmentIds must be int32, not ${segmentIds!.dtype}`);
      }
      if (x!.shape.length === 0) throw new RangeError(`${kernel}: x must have rows, not be a scalar`);
      const [rows, ...rest] = x!.shape as [number, ...number[]];
      expectShape(kernel, 'segmentIds', segmentIds!.shape, [rows]);
      expectWhole(kernel, 'numSegments', numSegments, 0);
      const segments = numSegments as number;
      const columns = sizeOf(rest);
      const y = room.output([segments, ...rest]);
      const idsAt = room.address(segmentIds!);
      const from = room.numbers(x!);
      const sums = room.numbers(y).fill(0);
      new Int32Array(room.buffer(), idsAt, rows).forEach((id, row) => {
        if (id < 0 || id >= segments) return;
        for (let i = 0; i < columns; i++) sums[id * columns + i]! += from[row * columns + i]!;
      });
      return y;
    },
  },
  {
    // tfjs transposes first: only the sum over the last axes is left to it.
    name: tf.Sum,
    run: (room, { x }, { axis, keepDims }) => {
      const axes = tf.util.parseAxisParam(axis as number | number[], x!.shape).sort((a, b) => a - b);
      const first = axes[0]!;
      const inner = x!.shape.slice(first + axes.length);
      const columns = sizeOf(inner);
      const consecutive = axes.length > 0 && axes.every((value, i) => value === first + i);
      if (!areFloats(x!) || !consecutive || columns < 4) return undefined;
      const outer = x!.shape.slice(0, first);
      const y = room.output([...outer, ...(keepDims ? axes.map(() => 1) : []), ...inner]);
      const images = sizeOf(outer);
      const rows = sizeOf(x!.shape.slice(first, first + axes.length));
      const part = room.scratch(4 * columns);
      for (let i = 0; i < images; i++) {
        const from = room.address(x!) + 4 * i * rows * columns;
        room.kernels.sumRows(from, rows, columns, room.address(y) + 4 * i * columns, part);
      }
      return y;
    },
  },
  {
    // One row for every image, as a time embedding is added; tfjs does all other sums well.
    name: tf.Add,
    run: (room, { a, b }) => {
      const [x, row] = sizeOf(a!.shape) >= sizeOf(b!.shape) ? [a!, b!] : [b!, a!];
      const [images, ...rest] = x.shape as [number, ...number[]];
      const columns = rest.at(-1);
      if (columns === undefined) return undefined;
      const ofRow = rest.map((_, i) => (i === rest.length - 1 ? columns : 1));
      const fits = isShape(row.shape, [images, ...ofRow]);
      if (!fits || !areFloats(x, row) || isShape(x.shape, row.shape)) return undefined;
      const y = room.output(x.shape);
      const rows = sizeOf(rest.slice(0, -1));
      for (let i = 0; i < images; i++) {
        const at = 4 * i * rows * columns;
        const from = room.address(row) + 4 * i * columns;
        room.kernels.addRow(room.address(x) + at, from, room.address(y) + at, rows, columns);
      }
      return y;
    },
  },
  {
    name: tf.Concat,
    run: (room, inputs, attrs) => {
      const tensors = Object.values(inputs);
      const [axis] = tf.util.parseAxisParam(attrs.axis as number, tensors[0]!.shape) as [number];
      if (!areFloats(...tensors) || tensors.length === 1) return undefined;
      const shapes = tensors.map((tensor) => tensor.shape);
      tf.backend_util.assertParamsConsistent(shapes, axis);
      const shape = tf.backend_util.computeOutShape(shapes, axis);
      const y = room.output(shape);
      const rows = sizeOf(shape.slice(0, axis));
      const line = sizeOf(shape.slice(axis));
      let to = room.address(y);
      for (const tensor of tensors) {
        const count = sizeOf(tensor.shape.slice(axis));
        room.kernels.copyRows(to, 4 * line, room.address(tensor), 4 * count, rows, count);
        to += 4 * count;
      }
      return y;
    },
  },
  {
    name: tf.Slice,
    run: (room, { x }, attrs) => {
      const [begin, size] = tf.slice_util.parseSliceParams(
        x!,
        attrs.begin as number | number[],
        attrs.size as number | number[],
      ) as [number[], number[]];
      expectLengths(tf.Slice, 'begin', begin);
      expectLengths(tf.Slice, 'size', size);
      tf.slice_util.assertParamsValid(x as tf.Tensor, begin, size);
      const cut = x!.shape.map((_, axis) => axis).filter((axis) => size[axis] !== x!.shape[axis]);
      return areFloats(x!) && cut.length === 1
        ? slice(room, x!, cut[0]!, begin[cut[0]!]!, size[cut[0]!]!)
        : undefined;
    },
  },
  {
    name: tf.SplitV,
    run: (room, { x }, attrs) => {
      const [axis] = tf.util.parseAxisParam(attrs.axis as number, x!.shape) as [number];
      const numOrSizeSplits = attrs.numOrSizeSplits as number | number[];
      if (typeof numOrSizeSplits === 'number') expectWhole(tf.SplitV, 'numOrSizeSplits', numOrSizeSplits, 1);
      const sizes = tf.backend_util.prepareSplitSize(x as tf.Tensor, numOrSizeSplits, axis);
      expectLengths(tf.SplitV, 'numOrSizeSplits', sizes);
      if (!areFloats(x!)) return undefined;
      let begin = 0;
      return sizes.map((size) => {
        const part = slice(room, x!, axis, begin, size);
        begin += size;
        return part;
      });
    },
  },
  {
    // [a, b, c, d] to [a, c, b, d], as attention parts its heads; tfjs moves one number at a time.
    name: tf.Transpose,
    run: (room, { x }, attrs) => {
      const perm = attrs.perm as number[];
      if (!areFloats(x!) || x!.shape.length !== 4 || !isShape(perm, [0, 2, 1, 3])) return undefined;
      const [a, b, c, d] = x!.shape as [number, number, number, number];
      const y = room.output([a, c, b, d]);
      const line = 4 * d;
      let to = room.address(y);
      for (let i = 0; i < a; i++) {
        for (let j = 0; j < c; j++) {
          room.kernels.copyRows(to, line, room.address(x!) + (i * b * c + j) * line, c * line, b, d);
          to += b * line;
        }
      }
      return y;
    },
  },
];

/** The entries `begin … begin + size − 1` along one axis. */
function slice(room: Room, x: tf.TensorInfo, axis: number, begin: number, size: number): tf.TensorInfo {
  const inner = sizeOf(x.shape.slice(axis + 1));
  const y = room.output(x.shape.map((length, i) => (i === axis ? size : length)));
  const from = room.address(x) + 4 * begin * inner;
  const rows = sizeOf(x.shape.slice(0, axis));
  room.kernels.copyRows(
    room.address(y),
    4 * size * inner,
    from,
    4 * x.shape[axis]! * inner,
    rows,
    size * inner,
  );
  return y;
}

/** @throws RangeError if the rows and columns of dy are not at least as many as those of y, and the rest as many. */
function expectCovers(kernel: string, dy: tf.TensorInfo, { y, isNhwc }: TfjsConvolution): void {
  const [row, column] = isNhwc ? [1, 2] : [2, 3];
  const covers =
    dy.shape.length === y.length &&
    y.every((size, i) => (i === row || i === column ? dy.shape[i]! >= size : dy.shape[i] === size));
  if (!covers) throw new RangeError(`${kernel}: dy must be [${y}], not [${dy.shape}]`);
}

/**
 * Works on dy, or on its first rows and columns if it has more of them than the convolution gives: a conv2dTranspose may
 * be asked for a smaller image.
 */
function withFitting(
  room: Room,
  dy: tf.TensorInfo,
  { y: [, height, width] }: TfjsConvolution,
  work: (dy: tf.TensorInfo) => tf.TensorInfo,
): tf.TensorInfo {
  if (dy.shape[1] === height && dy.shape[2] === width) return work(dy);
  const rows = slice(room, dy, 1, 0, height!);
  const fitting = slice(room, rows, 2, 0, width!);
  room.drop(rows);
  const result = work(fitting);
  room.drop(fitting);
  return result;
}

function fusedConvolution(
  kernel: string,
  room: Room,
  x: tf.TensorInfo,
  filter: tf.TensorInfo,
  bias: tf.TensorInfo | undefined,
  attrs: tf.NamedAttrMap,
): tf.TensorInfo | undefined {
  expectFloats(kernel, { x, filter, ...(bias && { bias }) });
  const { geometry, isNhwc } = tfjsConvolution(kernel, x.shape, filter.shape, attrs);
  const plain = bias === undefined || isRow(bias, geometry.outChannels);
  if (!isNhwc || !plain || !isOurs(attrs)) return undefined;
  return activated(room, convolve(room, x, filter, { bias }, geometry), attrs);
}

function fusedProduct(
  kernel: string,
  room: Room,
  a: tf.TensorInfo,
  b: tf.TensorInfo,
  bias: tf.TensorInfo | undefined,
  attrs: tf.NamedAttrMap,
): tf.TensorInfo | undefined {
  if (!areFloats(a, b)) return undefined;
  for (const [name, { shape }] of Object.entries({ a, b })) {
    if (shape.length < 2)
      throw new RangeError(`${kernel}: ${name} must be […, rows, columns], not [${shape}]`);
  }
  const transposeA = Boolean(attrs.transposeA);
  const transposeB = Boolean(attrs.transposeB);
  const inner = [a.shape.at(transposeA ? -2 : -1)!, b.shape.at(transposeB ? -1 : -2)!] as const;
  if (inner[0] !== inner[1]) {
    throw new RangeError(
      `${kernel}: the inner shapes of [${a.shape}]${transposeA ? 'ᵀ' : ''} and [${b.shape}]${transposeB ? 'ᵀ' : ''} ` +
        `must be the same length, ${inner[0]} and ${inner[1]} are not`,
    );
  }
  const n = b.shape.at(transposeB ? -2 : -1)!;
  if (bias !== undefined) {
    expectFloats(kernel, { bias });
    if (sizeOf(bias.shape) !== 1 && !isRow(bias, n)) {
      throw new RangeError(`${kernel}: bias must be [${n}], not [${bias.shape}]`);
    }
  }
  if (!isOurs(attrs)) {
    // What tfjs's own takes for granted.
    for (const [name, { shape }] of Object.entries({ a, b })) {
      if (shape.length !== 3)
        throw new RangeError(`${kernel}: ${name} must be [batch, rows, columns], not [${shape}]`);
    }
    if (bias !== undefined) expectShape(kernel, 'bias', bias.shape, [n]);
    return undefined;
  }
  const batch = tf.broadcast_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const y = room.output([...batch, a.shape.at(transposeA ? -1 : -2)!, n]);
  product(room, y, a, b, { transposeA, transposeB, bias });
  return activated(room, y, attrs);
}

/** Whether the tensor is one number for each column. */
function isRow({ shape }: tf.TensorInfo, columns: number): boolean {
  return shape.at(-1) === columns && sizeOf(shape) === columns;
}

/** Whether the activation is one that we have: none or relu. */
function isOurs({ activation }: tf.NamedAttrMap): boolean {
  return activation === undefined || activation === 'linear' || activation === 'relu';
}

function activated(room: Room, y: tf.TensorInfo, { activation }: tf.NamedAttrMap): tf.TensorInfo {
  if (activation === 'relu') room.kernels.relu(room.address(y), sizeOf(y.shape));
  return y;
}
