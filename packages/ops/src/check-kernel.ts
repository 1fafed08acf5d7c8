import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import type { Conv2DAttrs, GroupNormAttrs, KernelName, Kernels } from './kernels.js';

/** What a kernel of the contract is given, as a backend sees it. */
type Inputs<K extends KernelName> = { [I in keyof Kernels[K]['inputs']]: TensorInfo };

/**
 * Checks what a kernel of the contract is given: whether anything is missing, and whether types, shapes and attributes
 * fit. The ops do that themselves, in words of their own; but anybody may run a kernel by its name, and one that works
 * in memory must not believe it. Call this before the memory is touched.
 * @throws TypeError if an input is missing, disposed, or not float32.
 * @throws RangeError if a shape or an attribute does not fit the others.
 */
export function checkKernel<K extends KernelName>(
  name: K,
  inputs: Inputs<K>,
  attrs: Kernels[K]['attrs'],
): void {
  try {
    checks[name](inputs, attrs);
  } catch (error) {
    const Kind = error instanceof TypeError ? TypeError : RangeError;
    throw new Kind(`${name}: ${(error as Error).message}`);
  }
}

/** The lengths of axes that are known, by their letters; under … there are several. */
type Lengths = Record<string, number | readonly number[]>;

const checks: { [K in KernelName]: (inputs: Inputs<K>, attrs: Kernels[K]['attrs']) => void } = {
  DiffusionConv2D: ({ x, weight, bias, residual }, attrs) => {
    const lengths: Lengths = {};
    fit('x', x, 'N H W I', lengths);
    fit('weight', weight, 'KH KW I O', lengths);
    moveOver(lengths, attrs);
    if (bias !== undefined) fit('bias', bias, 'O', lengths);
    if (residual !== undefined) fit('residual', residual, 'N OH OW O', lengths);
  },
  DiffusionConv2DBackpropInput: ({ dy, weight }, attrs) => {
    const lengths: Lengths = {};
    fitShape('inputShape', attrs.inputShape, 'N H W I', lengths);
    fit('weight', weight, 'KH KW I O', lengths);
    moveOver(lengths, attrs);
    fit('dy', dy, 'N OH OW O', lengths);
  },
  DiffusionConv2DBackpropFilter: ({ x, dy }, attrs) => {
    const lengths: Lengths = {};
    fit('x', x, 'N H W I', lengths);
    fitShape('filterShape', attrs.filterShape, 'KH KW I O', lengths);
    moveOver(lengths, attrs);
    fit('dy', dy, 'N OH OW O', lengths);
  },
  DiffusionLinear: ({ x, weight, bias }) => {
    const lengths: Lengths = {};
    fit('x', x, '… in', lengths);
    fit('weight', weight, 'in out', lengths);
    if (bias !== undefined) fit('bias', bias, 'out', lengths);
  },
  DiffusionBiasGrad: ({ dy }) => fit('dy', dy, '… C', {}),
  DiffusionSilu: ({ x }) => fit('x', x, '…', {}),
  DiffusionSiluGrad: ({ dy, x }) => {
    const lengths: Lengths = {};
    fit('x', x, '…', lengths);
    fit('dy', dy, '…', lengths);
  },
  DiffusionGroupNorm: (inputs, attrs) => void normalise(inputs, attrs),
  DiffusionGroupNormGrad: (inputs, attrs) => {
    const lengths = normalise(inputs, attrs);
    fit('dy', inputs.dy, 'N … C', lengths);
    fit('mean', inputs.mean, 'N groups', lengths);
    fit('inverseDeviation', inputs.inverseDeviation, 'N groups', lengths);
  },
  DiffusionAttention: (inputs) => void attend(inputs),
  DiffusionAttentionGrad: (inputs) => {
    const lengths = attend(inputs);
    fit('dy', inputs.dy, 'N heads L D', lengths);
    fit('y', inputs.y, 'N heads L D', lengths);
    fit('logSumExp', inputs.logSumExp, 'N heads L', lengths);
  },
  DiffusionUpsampleNearest: ({ x }, { factor }) => {
    fit('x', x, 'N H W C', {});
    beWhole('factor', factor, 1);
  },
  DiffusionUpsampleNearestGrad: ({ dy }, { factor }) => {
    fit('dy', dy, 'N H W C', {});
    beWhole('factor', factor, 1);
    if (dy.shape[1]! % factor !== 0 || dy.shape[2]! % factor !== 0) {
      throw new RangeError(`dy must have a multiple of ${factor} rows and columns, not [${dy.shape}]`);
    }
  },
  DiffusionAdamW: (inputs, attrs) => {
    beWhole('count', attrs.count, 1);
    for (const name of ADAM_W_NUMBERS) beNumber(name, attrs[name]);
    if (attrs.maxGradNorm !== undefined) beNumber('maxGradNorm', attrs.maxGradNorm);
    if (attrs.emaDecay !== undefined) beNumber('emaDecay', attrs.emaDecay);
    const trees = ['param', 'grad', 'm', 'v', ...(attrs.emaDecay === undefined ? [] : ['ema'])] as const;
    for (let i = 0; i < attrs.count; i++) {
      const lengths: Lengths = {};
      for (const tree of trees) fit(`${tree}${i}`, inputs[`${tree as 'param'}${i}`], '…', lengths);
    }
  },
};

const ADAM_W_NUMBERS = ['step', 'learningRate', 'beta1', 'beta2', 'epsilon', 'weightDecay'] as const;

function normalise(
  { x, scale, offset }: Inputs<'DiffusionGroupNorm'>,
  { groups, epsilon, activation }: GroupNormAttrs,
): Lengths {
  const lengths: Lengths = {};
  fit('x', x, 'N … C', lengths);
  beWhole('groups', groups, 1);
  if (lengths.C === 0 || (lengths.C as number) % groups !== 0) {
    throw new RangeError(`groups must divide the ${lengths.C} channels, ${groups} does not`);
  }
  lengths.groups = groups;
  const axes = scale?.shape.length === 2 ? 'N C' : 'C';
  fit('scale', scale, axes, lengths);
  fit('offset', offset, axes, lengths);
  beNumber('epsilon', epsilon);
  if (activation !== 'none' && activation !== 'silu') {
    throw new RangeError(`activation must be none or silu, not ${activation}`);
  }
  return lengths;
}

function attend({ q, k, v }: Inputs<'DiffusionAttention'>): Lengths {
  const lengths: Lengths = {};
  fit('q', q, 'N heads L D', lengths);
  fit('k', k, 'N heads M D', lengths);
  fit('v', v, 'N heads M D', lengths);
  return lengths;
}

/** Finds OH and OW, how many steps the filter takes over the padded image. */
function moveOver(lengths: Lengths, { stride, padding }: Conv2DAttrs): void {
  beWhole('stride', stride, 1);
  for (const side of ['top', 'bottom', 'left', 'right'] as const) {
    beWhole(`padding.${side}`, padding?.[side], 0);
  }
  const { H, W, KH, KW } = lengths as Record<string, number>;
  const height = H! + padding.top + padding.bottom;
  const width = W! + padding.left + padding.right;
  if (KH! > height || KW! > width) {
    throw new RangeError(
      `weight must fit the padded image, ${height} × ${width} pixels, and is ${KH} × ${KW}`,
    );
  }
  lengths.OH = Math.floor((height - KH!) / stride) + 1;
  lengths.OW = Math.floor((width - KW!) / stride) + 1;
}

/** Holds a tensor to axes of these letters: a letter that is not known yet is from then on. */
function fit(name: string, tensor: TensorInfo | undefined, axes: string, lengths: Lengths): void {
  if (tensor === undefined || tensor === null) throw new TypeError(`${name} is missing`);
  if ((tensor as Partial<Tensor>).isDisposed) throw new TypeError(`${name} is disposed`);
  if (tensor.dtype !== 'float32') throw new TypeError(`${name} must be float32, not ${tensor.dtype}`);
  fitShape(name, tensor.shape, axes, lengths);
}

function fitShape(name: string, shape: readonly number[], axes: string, lengths: Lengths): void {
  const letters = lettersOf(axes);
  const several = letters.indexOf('…');
  const isList = Array.isArray(shape) && shape.every((length) => Number.isInteger(length) && length >= 0);
  const rest = isList ? shape.length - letters.length + 1 : -1;
  /** The lengths that stand where the letter does. */
  const at = (i: number): number | readonly number[] => {
    if (i === several) return shape.slice(i, i + rest);
    return shape[several === -1 || i < several ? i : i + rest - 1]!;
  };
  const fits =
    (several === -1 ? rest === 1 : rest >= 0) &&
    letters.every((letter, i) => lengths[letter] === undefined || isSame(lengths[letter], at(i)));
  if (!fits) {
    const expected = letters.flatMap((letter) => lengths[letter] ?? letter);
    throw new RangeError(`${name} must be [${expected.join(', ')}], not [${shape}]`);
  }
  letters.forEach((letter, i) => {
    lengths[letter] = at(i);
  });
}

// Of the few that stand above: a step of training asks for them a thousand times.
const lettersByAxes = new Map<string, readonly string[]>();

function lettersOf(axes: string): readonly string[] {
  const letters = lettersByAxes.get(axes) ?? axes.split(' ');
  lettersByAxes.set(axes, letters);
  return letters;
}

function isSame(a: number | readonly number[], b: number | readonly number[]): boolean {
  if (typeof a === 'number' || typeof b === 'number') return a === b;
  return a.length === b.length && a.every((length, i) => length === b[i]);
}

function beWhole(name: string, value: number, least: number): void {
  if (!(Number.isInteger(value) && value >= least && value < 2 ** 31)) {
    throw new RangeError(`${name} must be a whole number from ${least} on, not ${value}`);
  }
}

function beNumber(name: string, value: number): void {
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number, not ${value}`);
}
