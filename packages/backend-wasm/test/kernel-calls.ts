import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';

/** What a kernel may be called with. */
export interface Call {
  inputs: Record<string, Info>;
  attrs: Record<string, unknown>;
}

interface Info {
  shape: number[];
  dtype: tf.DataType;
}

type Draw = fc.GeneratorValue;

const whole = (g: Draw, min: number, max: number): number => g(fc.integer, { min, max });
const size = (g: Draw, max: number): number => whole(g, 1, max);
const one = <T>(g: Draw, ...values: T[]): T => values[whole(g, 0, values.length - 1)]!;
const channels = (g: Draw): number => one(g, 1, 3, 4, 8, size(g, 13));
const shapeOf = (g: Draw, minRank: number, maxRank: number, max: number): number[] =>
  Array.from({ length: whole(g, minRank, maxRank) }, () => size(g, max));
const float = (...shape: number[]): Info => ({ shape, dtype: 'float32' });
const float32s = (shapes: Record<string, number[]>): Record<string, Info> =>
  Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, float(...shape)]));

/** A convolution of the contract of ops, and the shapes of what goes in and comes out. */
function convolution(g: Draw) {
  const [n, ci, co, stride] = [size(g, 2), channels(g), channels(g), one(g, 1, 1, 2, 3)];
  const [fh, fw] = one(g, [3, 3], [1, 1], [size(g, 4), size(g, 4)]) as [number, number];
  const padding = {
    top: whole(g, 0, 3),
    bottom: whole(g, 0, 3),
    left: whole(g, 0, 3),
    right: whole(g, 0, 3),
  };
  const h = Math.max(size(g, 11), fh - padding.top - padding.bottom);
  const w = Math.max(size(g, 11), fw - padding.left - padding.right);
  const oh = Math.floor((h + padding.top + padding.bottom - fh) / stride) + 1;
  const ow = Math.floor((w + padding.left + padding.right - fw) / stride) + 1;
  return {
    x: [n, h, w, ci],
    weight: [fh, fw, ci, co],
    bias: [co],
    y: [n, oh, ow, co],
    attrs: { stride, padding },
  };
}

/** A convolution of tfjs. */
function tfjsConvolution(g: Draw, depthwise = false) {
  const [n, ci] = [size(g, 2), channels(g)];
  const last = depthwise ? size(g, 3) : channels(g);
  const [fh, fw] = one(g, [3, 3], [1, 1], [size(g, 4), size(g, 4)]) as [number, number];
  const strides = one(g, [1, 1], [1, 1], [size(g, 3), size(g, 3)]) as [number, number];
  const dilations = (Math.max(...strides) === 1 ? one(g, [1, 1], [size(g, 2), size(g, 3)]) : [1, 1]) as [
    number,
    number,
  ];
  // tfjs counts the columns of a padding of one number by the height of the filter.
  const isSquare = fh === fw && strides[0] === strides[1] && dilations[0] === dilations[1];
  const pad = one<'same' | 'valid' | number | number[][]>(g, 'same', isSquare ? whole(g, 0, 2) : 'valid', [
    [0, 0],
    [whole(g, 0, 2), whole(g, 0, 2)],
    [whole(g, 0, 2), whole(g, 0, 2)],
    [0, 0],
  ]);
  const x = [n, whole(g, (fh - 1) * dilations[0] + 1, 12), whole(g, (fw - 1) * dilations[1] + 1, 12), ci];
  const filter = [fh, fw, ci, last];
  const { outShape: y } = tf.backend_util.computeConv2DInfo(
    x as [number, number, number, number],
    filter as [number, number, number, number],
    strides,
    dilations,
    pad as 'same',
    'floor',
    depthwise,
  );
  return { x, filter, y, attrs: { strides, dilations, pad, dataFormat: 'NHWC', dimRoundingMode: 'floor' } };
}

function norm(g: Draw, isGradient: boolean): Call {
  const groups = size(g, 4);
  const c = groups * size(g, 5);
  const positions = one(g, [], [size(g, 9), size(g, 9)], [size(g, 700)], [whole(g, 1000, 3000)]);
  const x = [size(g, 2), ...positions, c];
  const scale = one(g, [c], [x[0]!, c]);
  const means = [x[0]!, groups];
  return {
    inputs: float32s({
      x,
      scale,
      offset: scale,
      ...(isGradient && { dy: x, mean: means, inverseDeviation: means }),
    }),
    attrs: { groups, epsilon: 1e-3, activation: one(g, 'none', 'silu') },
  };
}

function attention(g: Draw, isGradient: boolean): Call {
  const [n, heads, l, m, d] = [
    size(g, 2),
    size(g, 2),
    one(g, size(g, 9), 70),
    one(g, size(g, 9), 131),
    size(g, 9),
  ];
  const [q, k] = [
    [n, heads, l, d],
    [n, heads, m, d],
  ];
  return {
    inputs: float32s({
      q,
      k,
      v: k,
      ...(isGradient && { dy: q, y: q, logSumExp: [n, heads, l] }),
    }),
    attrs: {},
  };
}

function product(g: Draw, isFused: boolean): Call {
  const [m, n, k] = [size(g, 9), size(g, 9), size(g, 9)];
  // Sides beyond the blocks of the product, one at a time.
  const [rows, columns, inner] = one(g, [m, n, k], [m, n, k], [140, n, k], [m, 520, k], [m, n, 270]) as [
    number,
    number,
    number,
  ];
  const [transposeA, transposeB] = [g(fc.boolean), g(fc.boolean)];
  const batch = shapeOf(g, 0, 2, 2);
  const a = transposeA ? [inner, rows] : [rows, inner];
  const b = transposeB ? [columns, inner] : [inner, columns];
  return {
    inputs: float32s({
      a: [
        ...one(
          g,
          batch,
          batch.map(() => 1),
        ),
        ...a,
      ],
      b: [...one(g, batch, batch.slice(1)), ...b],
      ...(isFused && g(fc.boolean) && { bias: one(g, [columns], [1]) }),
    }),
    attrs: { transposeA, transposeB, ...(isFused && { activation: one(g, 'linear', 'relu') }) },
  };
}

/** What each kernel of ours may be called with, drawn at random; every shape fits. */
export const rightCalls: Record<string, (g: Draw) => Call> = {
  DiffusionConv2D: (g) => {
    const { x, weight, bias, y, attrs } = convolution(g);
    return {
      inputs: float32s({ x, weight, ...(g(fc.boolean) && { bias }), ...(g(fc.boolean) && { residual: y }) }),
      attrs,
    };
  },
  DiffusionConv2DBackpropInput: (g) => {
    const { x, weight, y, attrs } = convolution(g);
    return { inputs: float32s({ dy: y, weight }), attrs: { ...attrs, inputShape: x } };
  },
  DiffusionConv2DBackpropFilter: (g) => {
    const { x, weight, y, attrs } = convolution(g);
    return { inputs: float32s({ x, dy: y }), attrs: { ...attrs, filterShape: weight } };
  },
  DiffusionLinear: (g) => {
    const [inputs, outputs] = [size(g, 9), size(g, 9)];
    const x = [...shapeOf(g, 0, 2, 5), inputs];
    const bias = g(fc.boolean) && { bias: [outputs] };
    return { inputs: float32s({ x, weight: [inputs, outputs], ...bias }), attrs: {} };
  },
  DiffusionBiasGrad: (g) => ({ inputs: float32s({ dy: shapeOf(g, 1, 4, 9) }), attrs: {} }),
  DiffusionSilu: (g) => ({ inputs: float32s({ x: shapeOf(g, 0, 3, 9) }), attrs: {} }),
  DiffusionSiluGrad: (g) => {
    const x = shapeOf(g, 0, 3, 9);
    return { inputs: float32s({ dy: x, x }), attrs: {} };
  },
  DiffusionGroupNorm: (g) => norm(g, false),
  DiffusionGroupNormGrad: (g) => norm(g, true),
  DiffusionAttention: (g) => attention(g, false),
  DiffusionAttentionGrad: (g) => attention(g, true),
  DiffusionUpsampleNearest: (g) => ({
    inputs: float32s({ x: shapeOf(g, 4, 4, 5) }),
    attrs: { factor: size(g, 3) },
  }),
  DiffusionUpsampleNearestGrad: (g) => {
    const factor = size(g, 3);
    const dy = [size(g, 2), factor * size(g, 4), factor * size(g, 4), channels(g)];
    return { inputs: float32s({ dy }), attrs: { factor } };
  },
  DiffusionAdamW: (g) => {
    const count = size(g, 3);
    const trees = ['param', 'grad', 'm', 'v', ...(g(fc.boolean) ? ['ema'] : [])];
    const shapes = Array.from({ length: count }, () => shapeOf(g, 0, 2, one(g, 9, 50)));
    return {
      inputs: float32s(
        Object.fromEntries(trees.flatMap((tree) => shapes.map((shape, i) => [`${tree}${i}`, shape]))),
      ),
      attrs: {
        ...{ count, step: 3, learningRate: 0.01, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.1 },
        ...(g(fc.boolean) && { maxGradNorm: 0.5 }),
        ...(trees.length === 5 && { emaDecay: 0.9 }),
      },
    };
  },
  DiffusionNormal: (g) => random(g),
  DiffusionUniform: (g) => random(g),
  DiffusionSoftmaxGrad: (g) => {
    const y = shapeOf(g, 1, 3, 9);
    return { inputs: float32s({ dy: y, y }), attrs: {} };
  },
  [tf.Conv2D]: (g) => {
    const { x, filter, attrs } = tfjsConvolution(g);
    return { inputs: float32s({ x, filter }), attrs };
  },
  [tf.FusedConv2D]: (g) => {
    const { x, filter, attrs } = tfjsConvolution(g);
    const bias = g(fc.boolean) && { bias: [filter[3]!] };
    return {
      inputs: float32s({ x, filter, ...bias }),
      attrs: { ...attrs, activation: one(g, 'linear', 'relu') },
    };
  },
  [tf.Conv2DBackpropInput]: (g) => {
    const { x, filter, y, attrs } = tfjsConvolution(g);
    return { inputs: float32s({ dy: y, filter }), attrs: { ...attrs, inputShape: x } };
  },
  [tf.Conv2DBackpropFilter]: (g) => {
    const { x, filter, y, attrs } = tfjsConvolution(g);
    return { inputs: float32s({ x, dy: y }), attrs: { ...attrs, filterShape: filter } };
  },
  [tf.DepthwiseConv2dNativeBackpropInput]: (g) => {
    const { x, filter, y, attrs } = tfjsConvolution(g, true);
    return { inputs: float32s({ dy: y, filter }), attrs: { ...attrs, inputShape: x } };
  },
  [tf.DepthwiseConv2dNativeBackpropFilter]: (g) => {
    const { x, filter, y, attrs } = tfjsConvolution(g, true);
    return { inputs: float32s({ x, dy: y }), attrs: { ...attrs, filterShape: filter } };
  },
  [tf.BatchMatMul]: (g) => product(g, false),
  [tf._FusedMatMul]: (g) => product(g, true),
  [tf.Identity]: (g) => ({ inputs: float32s({ x: shapeOf(g, 0, 3, 9) }), attrs: {} }),
  [tf.UnsortedSegmentSum]: (g) => {
    const rows = size(g, 9);
    const segmentIds = { shape: [rows], dtype: 'int32' as const };
    return {
      inputs: { x: float(rows, ...shapeOf(g, 0, 2, 5)), segmentIds },
      attrs: { numSegments: size(g, 5) },
    };
  },
  [tf.Sum]: (g) => {
    const x = shapeOf(g, 1, 4, 9);
    const first = whole(g, 0, x.length - 1);
    const axis = x.map((_, i) => i).slice(first, first + size(g, 2));
    return { inputs: float32s({ x }), attrs: { axis, keepDims: g(fc.boolean) } };
  },
  [tf.Add]: (g) => {
    const x = shapeOf(g, 1, 4, 9);
    const row = one(
      g,
      x,
      x.map((length, i) => (i === 0 || i === x.length - 1 ? length : 1)),
    );
    return { inputs: float32s(g(fc.boolean) ? { a: x, b: row } : { a: row, b: x }), attrs: {} };
  },
  [tf.Concat]: (g) => {
    const shape = shapeOf(g, 1, 4, 6);
    const axis = whole(g, 0, shape.length - 1);
    const parts = Array.from({ length: whole(g, 2, 3) }, (_, i) => [`${i}`, shape.with(axis, size(g, 6))]);
    return { inputs: float32s(Object.fromEntries(parts)), attrs: { axis } };
  },
  [tf.Slice]: (g) => {
    const x = shapeOf(g, 1, 4, 6);
    const axis = whole(g, 0, x.length - 1);
    const first = whole(g, 0, x[axis]! - 1);
    return {
      inputs: float32s({ x }),
      attrs: {
        begin: x.map((_, i) => (i === axis ? first : 0)),
        size: x.with(axis, whole(g, 1, x[axis]! - first)),
      },
    };
  },
  [tf.SplitV]: (g) => {
    const x = shapeOf(g, 1, 4, 6);
    const axis = whole(g, 0, x.length - 1);
    const first = whole(g, 0, x[axis]!);
    return {
      inputs: float32s({ x }),
      attrs: { axis, numOrSizeSplits: one<number | number[]>(g, 1, x[axis]!, [first, x[axis]! - first]) },
    };
  },
  [tf.Transpose]: (g) => ({
    inputs: float32s({ x: [size(g, 3), size(g, 5), size(g, 5), size(g, 9)] }),
    attrs: { perm: [0, 2, 1, 3] },
  }),
};

function random(g: Draw): Call {
  const shape = shapeOf(g, 1, 3, 9);
  return {
    inputs: {},
    attrs: {
      shape,
      rows: shape[0]!,
      k0: whole(g, 0, 9),
      k1: whole(g, 0, 9),
      firstRow: whole(g, 0, 9),
      draw: 0,
    },
  };
}

/** The call with axes of one length made empty, wherever they are: mostly one that fits still. */
export function emptied({ inputs, attrs }: Call, g: Draw): Call {
  const shapes = Object.values({ ...attrs, ...mapValues(inputs, ({ shape }) => shape) }).filter(isShape);
  const lengths = [...new Set(shapes.flat())];
  const gone = lengths.length > 0 ? one(g, ...lengths) : 0;
  const empty = (shape: number[]): number[] => shape.map((length) => (length === gone ? 0 : length));
  return {
    inputs: mapValues(inputs, ({ shape, dtype }) => ({ shape: empty(shape), dtype })),
    attrs: mapValues(attrs, (value, name) => (/shape/i.test(name) && isShape(value) ? empty(value) : value)),
  };
}

function isShape(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((length) => typeof length === 'number');
}

function mapValues<T, U>(record: Record<string, T>, f: (value: T, name: string) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, f(value, name)]));
}

/**
 * The call with one thing changed in it: the shape or type of an input, or a number, a word or a list in its attributes.
 * It may be missing too, if `orMissing`.
 */
export function changed({ inputs, attrs }: Call, orMissing: boolean, g: Draw): Call {
  const names = Object.keys(inputs);
  const keys = Object.keys(attrs);
  const at = whole(g, 0, names.length + keys.length - 1);
  if (at >= names.length) {
    const key = keys[at - names.length]!;
    const value = changedValue(attrs[key], g);
    return { inputs, attrs: { ...attrs, [key]: value === undefined && !orMissing ? attrs[key] : value } };
  }
  const name = names[at]!;
  const { shape, dtype } = inputs[name]!;
  const what = whole(g, 0, 9);
  if (what === 0 && orMissing) {
    return { inputs: Object.fromEntries(Object.entries(inputs).filter(([n]) => n !== name)), attrs };
  }
  const info =
    what === 1
      ? { shape, dtype: one<tf.DataType>(g, 'int32', 'bool') }
      : { shape: changedShape(shape, g), dtype };
  return { inputs: { ...inputs, [name]: info }, attrs };
}

function changedShape(shape: number[], g: Draw): number[] {
  if (shape.length === 0) return one(g, [1], [2], [0]);
  const axis = whole(g, 0, shape.length - 1);
  const other = whole(g, 0, shape.length - 1);
  const length = shape[axis]!;
  return one(
    g,
    shape.with(axis, length + 1),
    shape.with(axis, Math.max(0, length - 1)),
    shape.with(axis, 2 * length),
    shape.with(axis, 0),
    shape.with(axis, 1),
    shape.with(axis, shape[other]!).with(other, length),
    shape.toSpliced(axis, 1),
    [1, ...shape],
    [...shape, 1],
    [shape.reduce((a, b) => a * b, 1)],
    [],
  );
}

function changedValue(value: unknown, g: Draw): unknown {
  if (typeof value === 'number') {
    const [huge, none] = [2 ** 31, Number.NaN];
    const other = [value + 1, value - 1, value + 0.5, 2 * value, 2 ** 32 + value];
    return one(g, 0, 1, -1, -2, ...other, huge, -huge, none, Infinity, undefined);
  }
  if (typeof value === 'string') return one(g, 'same', 'valid', 'NCHW', 'other', undefined);
  if (typeof value === 'boolean') return one(g, !value, undefined);
  if (Array.isArray(value)) {
    if (value.length === 0) return [1];
    const at = whole(g, 0, value.length - 1);
    const entry = value.with(at, changedValue(value[at], g) ?? 0);
    return one<unknown>(g, entry, entry, entry, value.slice(1), [...value, 1], [], undefined);
  }
  if (typeof value === 'object' && value !== null) {
    const key = one(g, ...Object.keys(value));
    return { ...value, [key]: changedValue((value as Record<string, unknown>)[key], g) };
  }
  return one(g, 0, 1, undefined);
}
