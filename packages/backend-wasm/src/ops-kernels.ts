import type { Conv2DAttrs, GroupNormAttrs } from '@diffusion-ts/ops';
import type { KernelConfig, TensorInfo } from '@tensorflow/tfjs-core';
import { convolve, convolveFilterGradient, convolveInputGradient, type Geometry } from './convolution.js';
import { kernel } from './kernel.js';
import { product } from './product.js';
import type { Room } from './room.js';
import { sizeOf } from './shapes.js';

/** The kernels of the contract of `@diffusion-ts/ops`. */
export const opsKernels: readonly KernelConfig[] = [
  kernel('DiffusionConv2D', (room, { x, weight, bias, residual }, attrs) =>
    convolve(room, x, weight, { bias, residual }, geometry(x.shape, weight.shape, attrs)),
  ),
  kernel('DiffusionConv2DBackpropInput', (room, { dy, weight }, attrs) =>
    convolveInputGradient(room, dy, weight, geometry(attrs.inputShape, weight.shape, attrs)),
  ),
  kernel('DiffusionConv2DBackpropFilter', (room, { x, dy }, attrs) =>
    convolveFilterGradient(room, x, dy, geometry(x.shape, attrs.filterShape, attrs)),
  ),
  kernel('DiffusionLinear', (room, { x, weight, bias }) => {
    const [inputs, outputs] = weight.shape as [number, number];
    const rows = sizeOf(x.shape.slice(0, -1));
    const y = room.output([...x.shape.slice(0, -1), outputs]);
    product(room, { ...y, shape: [rows, outputs] }, { ...x, shape: [rows, inputs] }, weight, { bias });
    return y;
  }),
  kernel('DiffusionBiasGrad', (room, { dy }) => {
    const columns = dy.shape.at(-1)!;
    const sum = room.output([columns]);
    const part = room.scratch(4 * columns);
    const rows = sizeOf(dy.shape.slice(0, -1));
    room.kernels.sumRows(room.address(dy), rows, columns, room.address(sum), part);
    return sum;
  }),
  kernel('DiffusionSilu', (room, { x }) => {
    const y = room.output(x.shape);
    room.kernels.silu(room.address(x), room.address(y), sizeOf(x.shape));
    return y;
  }),
  kernel('DiffusionSiluGrad', (room, { dy, x }) => {
    const dx = room.output(x.shape);
    room.kernels.siluGradient(room.address(dy), room.address(x), room.address(dx), sizeOf(x.shape));
    return dx;
  }),
  kernel('DiffusionGroupNorm', (room, { x, scale, offset }, attrs) => {
    const { batch, rows, channels, perExample } = normShape(x, scale);
    const y = room.output(x.shape);
    const mean = room.output([batch, attrs.groups]);
    const inverse = room.output([batch, attrs.groups]);
    if (rows === 0) return [y, fill(room, mean, Number.NaN), fill(room, inverse, Number.NaN)];
    const scratch = room.scratch(room.kernels.groupNormScratch(rows, channels));
    room.kernels.groupNorm(
      ...addresses(room, [x, scale, offset]),
      perExample,
      ...addresses(room, [y, mean, inverse]),
      batch,
      rows,
      channels,
      attrs.groups,
      attrs.epsilon,
      isSilu(attrs),
      scratch,
    );
    return [y, mean, inverse];
  }),
  kernel('DiffusionGroupNormGrad', (room, { dy, x, scale, offset, mean, inverseDeviation }, attrs) => {
    const { batch, rows, channels, perExample } = normShape(x, scale);
    const dx = room.output(x.shape);
    const dscale = room.output(scale.shape);
    const doffset = room.output(scale.shape);
    if (rows === 0) return [dx, fill(room, dscale, 0), fill(room, doffset, 0)];
    const scratch = room.scratch(room.kernels.groupNormScratch(rows, channels));
    room.kernels.groupNormGradient(
      ...addresses(room, [dy, x, scale, offset]),
      perExample,
      ...addresses(room, [mean, inverseDeviation, dx, dscale, doffset]),
      batch,
      rows,
      channels,
      attrs.groups,
      isSilu(attrs),
      scratch,
    );
    return [dx, dscale, doffset];
  }),
  kernel('DiffusionAttention', (room, { q, k, v }) => {
    const [batch, heads, queries, depth] = q.shape as [number, number, number, number];
    const keys = k.shape[2]!;
    const y = room.output(q.shape);
    const logSumExp = room.output([batch, heads, queries]);
    const scratch = room.scratch(room.kernels.attentionScratch(keys, depth));
    room.kernels.attention(
      ...addresses(room, [q, k, v, y, logSumExp]),
      batch * heads,
      queries,
      keys,
      depth,
      scratch,
    );
    return [y, logSumExp];
  }),
  kernel('DiffusionAttentionGrad', (room, { dy, q, k, v, logSumExp }) => {
    const [batch, heads, queries, depth] = q.shape as [number, number, number, number];
    const keys = k.shape[2]!;
    const gradients = [room.output(q.shape), room.output(k.shape), room.output(v.shape)] as const;
    if (queries === 0) return gradients.map((gradient) => fill(room, gradient, 0));
    const scratch = room.scratch(room.kernels.attentionScratch(keys, depth));
    room.kernels.attentionGradient(
      ...addresses(room, [dy, q, k, v, logSumExp, ...gradients]),
      batch * heads,
      queries,
      keys,
      depth,
      scratch,
    );
    return [...gradients];
  }),
  kernel('DiffusionUpsampleNearest', (room, { x }, { factor }) => {
    const [batch, height, width, channels] = x.shape as [number, number, number, number];
    const y = room.output([batch, height * factor, width * factor, channels]);
    room.kernels.upsample(room.address(x), room.address(y), batch * height, width, channels, factor);
    return y;
  }),
  kernel('DiffusionUpsampleNearestGrad', (room, { dy }, { factor }) => {
    const [batch, height, width, channels] = dy.shape as [number, number, number, number];
    const dx = room.output([batch, height / factor, width / factor, channels]);
    const rows = (batch * height) / factor;
    room.kernels.upsampleGradient(room.address(dy), room.address(dx), rows, width / factor, channels, factor);
    return dx;
  }),
  kernel('DiffusionAdamW', (room, inputs, attrs) => {
    const { kernels } = room;
    const { count, step, learningRate, beta1, beta2, epsilon, weightDecay, maxGradNorm, emaDecay } = attrs;
    const indices = Array.from({ length: count }, (_, i) => i);
    const trees =
      emaDecay === undefined ? (['param', 'm', 'v'] as const) : (['param', 'm', 'v', 'ema'] as const);
    const norms = room.output([2]);
    const outputs = trees.map((tree) => indices.map((i) => room.output(inputs[`${tree}${i}`]!.shape)));
    const list = room.scratch(40 * count);
    const records = indices.flatMap((i) => {
      const old = (['param', 'grad', 'm', 'v', 'ema'] as const).map((tree) => inputs[`${tree}${i}`]);
      const tensors = [...old, ...[0, 1, 2, 3].map((tree) => outputs[tree]?.[i])];
      const addresses = tensors.map((tensor) => (tensor === undefined ? 0 : room.address(tensor)));
      return [...addresses, sizeOf(inputs[`param${i}`]!.shape)];
    });
    new Uint32Array(room.buffer(), list, 10 * count).set(records);
    const gradNorm = root(kernels.squaredNorm(list, count));
    const paramSquares = kernels.adamW(
      list,
      count,
      maxGradNorm === undefined ? 1 : Math.min(1, maxGradNorm / (gradNorm + 1e-6)),
      beta1,
      1 - beta1,
      beta2,
      1 - beta2,
      1 - learningRate * weightDecay,
      learningRate / (1 - beta1 ** step),
      1 / Math.sqrt(1 - beta2 ** step),
      epsilon,
      emaDecay === undefined ? 0 : 1,
      1 - (emaDecay ?? 0),
    );
    room.numbers(norms).set([gradNorm, root(paramSquares)]);
    return [norms, ...outputs.flat()];
  }),
];

/** The norm of a sum of squares, as in float32: infinite where the sum is. */
function root(squares: number): number {
  return Math.fround(Math.sqrt(Math.fround(squares)));
}

/** The geometry of one of our convolutions, whose padding is stated and whose dilation is 1. */
function geometry(
  inputShape: readonly number[],
  filterShape: readonly number[],
  attrs: Conv2DAttrs,
): Geometry {
  const [batch, height, width, channels] = inputShape as [number, number, number, number];
  const [filterHeight, filterWidth, , outChannels] = filterShape as [number, number, number, number];
  const { stride, padding } = attrs;
  return {
    batch,
    height,
    width,
    channels,
    outHeight: Math.floor((height + padding.top + padding.bottom - filterHeight) / stride) + 1,
    outWidth: Math.floor((width + padding.left + padding.right - filterWidth) / stride) + 1,
    outChannels,
    filterHeight,
    filterWidth,
    strideY: stride,
    strideX: stride,
    dilationY: 1,
    dilationX: 1,
    top: padding.top,
    left: padding.left,
  };
}

/** x as [batch, rows, channels], and the bytes between the rows of its scale: 0 if all examples share one. */
function normShape(
  x: TensorInfo,
  scale: TensorInfo,
): { batch: number; rows: number; channels: number; perExample: number } {
  const batch = x.shape[0]!;
  const channels = x.shape.at(-1)!;
  const rows = sizeOf(x.shape.slice(1, -1));
  return { batch, rows, channels, perExample: scale.shape.length === 2 ? 4 * channels : 0 };
}

/** The tensor, with this number everywhere. */
function fill(room: Room, tensor: TensorInfo, value: number): TensorInfo {
  room.numbers(tensor).fill(value);
  return tensor;
}

function isSilu({ activation }: GroupNormAttrs): number {
  return activation === 'silu' ? 1 : 0;
}

function addresses<T extends readonly TensorInfo[]>(
  room: Room,
  tensors: readonly [...T],
): { [I in keyof T]: number } {
  return tensors.map(room.address) as { [I in keyof T]: number };
}
