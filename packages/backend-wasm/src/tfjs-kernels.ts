import * as tf from '@tensorflow/tfjs-core';
import {
  convolve,
  convolveFilterGradient,
  convolveInputGradient,
  type Geometry,
  state,
} from './convolution.js';
import { sizeOf } from './kernel.js';
import { product } from './product.js';
import { type Room, roomOf, type WasmBackend } from './room.js';

type Inputs = Record<string, tf.TensorInfo>;

/**
 * A kernel of tfjs, for float32 inputs. `run` returns undefined for what it leaves to the kernel that tfjs itself has
 * under this name, if it has one.
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
        const inputs = args.inputs as Inputs;
        const ours = run(roomOf(args.backend as WasmBackend), inputs, attrs);
        if (ours !== undefined) return ours;
        if (own === undefined) {
          const types = Object.values(inputs).map((tensor) => tensor.dtype);
          throw new TypeError(`${name} on wasm takes float32 tensors in NHWC, not ${types}`);
        }
        return own.kernelFunc(args);
      },
    });
  }
}

const tfjsKernels: readonly TfjsKernel[] = [
  {
    name: tf.Conv2D,
    run: (room, { x, filter }, attrs) => fusedConvolution(room, x!, filter!, undefined, attrs),
  },
  {
    name: tf.FusedConv2D,
    run: (room, { x, filter, bias }, attrs) => fusedConvolution(room, x!, filter!, bias, attrs),
  },
  {
    name: tf.Conv2DBackpropInput,
    run: (room, { dy, filter }, attrs) => {
      const g = geometry(attrs.inputShape as number[], filter!.shape, attrs, false);
      return g && areFloats(dy!, filter!) ? convolveInputGradient(room, dy!, filter!, g) : undefined;
    },
  },
  {
    name: tf.Conv2DBackpropFilter,
    run: (room, { x, dy }, attrs) => {
      const g = geometry(x!.shape, attrs.filterShape as number[], attrs, false);
      return g && areFloats(x!, dy!) ? convolveFilterGradient(room, x!, dy!, g) : undefined;
    },
  },
  {
    name: tf.DepthwiseConv2dNativeBackpropInput,
    run: (room, { dy, filter }, attrs) => {
      const inputShape = attrs.inputShape as number[];
      const g = geometry(inputShape, filter!.shape, attrs, true);
      if (g === undefined || !areFloats(dy!, filter!)) return undefined;
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
      const filterShape = attrs.filterShape as number[];
      const g = geometry(x!.shape, filterShape, attrs, true);
      if (g === undefined || !areFloats(x!, dy!)) return undefined;
      const dw = room.output(filterShape);
      state(room, g);
      room.kernels.depthwiseFilterGradient(room.address(x!), g.batch, room.address(dy!), room.address(dw));
      return dw;
    },
  },
  { name: tf.BatchMatMul, run: (room, { a, b }, attrs) => fusedProduct(room, a!, b!, undefined, attrs) },
  { name: tf._FusedMatMul, run: (room, { a, b, bias }, attrs) => fusedProduct(room, a!, b!, bias, attrs) },
  {
    // tfjs copies the tensor, and its gradient tape clones every tensor that it saves.
    name: tf.Identity,
    run: (room, { x }) => room.share(x!),
  },
  {
    name: tf.UnsortedSegmentSum,
    run: (room, { x, segmentIds }, attrs) => {
      if (!areFloats(x!) || segmentIds!.shape.length !== 1) return undefined;
      const segments = attrs.numSegments as number;
      const [rows, ...rest] = x!.shape as [number, ...number[]];
      const columns = sizeOf(rest);
      const y = room.output([segments, ...rest]);
      const ids = new Int32Array(room.buffer(), room.address(segmentIds!), rows);
      const from = new Float32Array(room.buffer(), room.address(x!), rows * columns);
      const sums = new Float32Array(room.buffer(), room.address(y), segments * columns).fill(0);
      ids.forEach((id, row) => {
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
      const rows = sizeOf(x!.shape) / (images * columns);
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
      const fits = tf.util.arraysEqual(row.shape, [images, ...ofRow]);
      if (!fits || !areFloats(x, row) || tf.util.arraysEqual(x.shape, row.shape)) return undefined;
      const y = room.output(x.shape);
      const rows = sizeOf(x.shape) / (images * columns);
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
      const shape = tf.backend_util.computeOutShape(
        tensors.map((tensor) => tensor.shape),
        axis,
      );
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
      const cut = x!.shape.map((_, axis) => axis).filter((axis) => size[axis] !== x!.shape[axis]);
      return areFloats(x!) && cut.length === 1
        ? slice(room, x!, cut[0]!, begin[cut[0]!]!, size[cut[0]!]!)
        : undefined;
    },
  },
  {
    name: tf.SplitV,
    run: (room, { x }, attrs) => {
      if (!areFloats(x!)) return undefined;
      const [axis] = tf.util.parseAxisParam(attrs.axis as number, x!.shape) as [number];
      const sizes = tf.backend_util.prepareSplitSize(
        x as tf.Tensor,
        attrs.numOrSizeSplits as number | number[],
        axis,
      );
      let begin = 0;
      return sizes.map((size) => {
        const part = slice(room, x!, axis, begin, size);
        begin += size;
        return part;
      });
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

function areFloats(...tensors: tf.TensorInfo[]): boolean {
  return tensors.every((tensor) => tensor.dtype === 'float32');
}

/** The geometry of a convolution of tfjs, unless its images are NCHW. */
function geometry(
  inputShape: readonly number[],
  filterShape: readonly number[],
  attrs: tf.NamedAttrMap,
  depthwise: boolean,
): Geometry | undefined {
  if (attrs.dataFormat === 'NCHW') return undefined;
  const info = tf.backend_util.computeConv2DInfo(
    inputShape as [number, number, number, number],
    filterShape as [number, number, number, number],
    attrs.strides as [number, number],
    (attrs.dilations as [number, number] | undefined) ?? 1,
    attrs.pad as 'same',
    attrs.dimRoundingMode as 'floor' | undefined,
    depthwise,
  );
  return {
    batch: info.batchSize,
    height: info.inHeight,
    width: info.inWidth,
    channels: info.inChannels,
    outHeight: info.outHeight,
    outWidth: info.outWidth,
    outChannels: info.outChannels,
    filterHeight: info.filterHeight,
    filterWidth: info.filterWidth,
    strideY: info.strideHeight,
    strideX: info.strideWidth,
    dilationY: info.dilationHeight,
    dilationX: info.dilationWidth,
    top: info.padInfo.top,
    left: info.padInfo.left,
  };
}

function fusedConvolution(
  room: Room,
  x: tf.TensorInfo,
  filter: tf.TensorInfo,
  bias: tf.TensorInfo | undefined,
  attrs: tf.NamedAttrMap,
): tf.TensorInfo | undefined {
  const g = geometry(x.shape, filter.shape, attrs, false);
  if (g === undefined || !areFloats(x, filter) || !isSimple(bias, g.outChannels, attrs)) return undefined;
  return activated(room, convolve(room, x, filter, { bias }, g), attrs);
}

function fusedProduct(
  room: Room,
  a: tf.TensorInfo,
  b: tf.TensorInfo,
  bias: tf.TensorInfo | undefined,
  attrs: tf.NamedAttrMap,
): tf.TensorInfo | undefined {
  const transposeA = attrs.transposeA as boolean;
  const transposeB = attrs.transposeB as boolean;
  const n = b.shape.at(transposeB ? -2 : -1)!;
  const [batchA, batchB] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
  const fits = tf.util.arraysEqual(batchA, batchB) || sizeOf(batchA) === 1 || sizeOf(batchB) === 1;
  if (!fits || !areFloats(a, b) || !isSimple(bias, n, attrs)) return undefined;
  const batch = tf.broadcast_util.assertAndGetBroadcastShape(batchA, batchB);
  const y = room.output([...batch, a.shape.at(transposeA ? -1 : -2)!, n]);
  product(room, y, a, b, { transposeA, transposeB, bias });
  return activated(room, y, attrs);
}

/** Whether the bias is one number per column, and the activation none or relu. */
function isSimple(
  bias: tf.TensorInfo | undefined,
  columns: number,
  { activation }: tf.NamedAttrMap,
): boolean {
  const plain = bias === undefined || (areFloats(bias) && sizeOf(bias.shape) === columns);
  return plain && (activation === undefined || activation === 'linear' || activation === 'relu');
}

function activated(room: Room, y: tf.TensorInfo, { activation }: tf.NamedAttrMap): tf.TensorInfo {
  if (activation === 'relu') room.kernels.relu(room.address(y), sizeOf(y.shape));
  return y;
}
