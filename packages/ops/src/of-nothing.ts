import * as tf from '@tensorflow/tfjs-core';
import type { KernelName, Kernels } from './kernels.js';

type Inputs<K extends KernelName> = Kernels[K]['inputs'];

/**
 * What a kernel of the contract gives where an input or its result has an axis of length 0; undefined where none has. A sum over nothing
 * is 0, so the shapes say it all, and nothing that divides by lengths has to run: neither the composed form nor a
 * backend's own, which calls this before it touches any memory.
 */
export function ofNothing<K extends KernelName>(
  name: K,
  inputs: Inputs<K>,
  attrs: Kernels[K]['attrs'],
): tf.Tensor[] | undefined {
  const shapes = Object.values<tf.Tensor | undefined>(inputs).map((tensor) => tensor?.shape);
  const { inputShape, filterShape } = attrs as { inputShape?: number[]; filterShape?: number[] };
  const isEmpty = [...shapes, inputShape, filterShape].some((shape) => shape?.includes(0));
  return isEmpty ? tf.tidy<tf.Tensor[] | undefined>(() => answers[name]?.(inputs, attrs)) : undefined;
}

/** By kernel. One step of AdamW is element by element, and takes parameters of any size beside each other. */
const answers: {
  [K in KernelName]?: (inputs: Inputs<K>, attrs: Kernels[K]['attrs']) => tf.Tensor[];
} = {
  DiffusionConv2D({ x, weight, bias, residual }, { stride, padding: { top, bottom, left, right } }) {
    const [batch, height, width] = x.shape;
    const [filterHeight, filterWidth, , channels] = weight.shape;
    const rows = Math.floor((height + top + bottom - filterHeight) / stride) + 1;
    const columns = Math.floor((width + left + right - filterWidth) / stride) + 1;
    return [sumOf([batch, rows, columns, channels], bias, residual)];
  },
  DiffusionConv2DBackpropInput: (_, { inputShape }) => [tf.zeros(inputShape)],
  DiffusionConv2DBackpropFilter: (_, { filterShape }) => [tf.zeros(filterShape)],
  DiffusionLinear: ({ x, weight, bias }) => [sumOf([...x.shape.slice(0, -1), weight.shape[1]], bias)],
  DiffusionBiasGrad: ({ dy }) => [tf.zeros(dy.shape.slice(-1))],
  DiffusionSilu: ({ x }) => [tf.zeros(x.shape)],
  DiffusionSiluGrad: ({ x }) => [tf.zeros(x.shape)],
  DiffusionGroupNorm({ x }, { groups }) {
    const ofGroups = [x.shape[0]!, groups];
    return [tf.zeros(x.shape), tf.fill(ofGroups, Number.NaN), tf.fill(ofGroups, Number.NaN)];
  },
  DiffusionGroupNormGrad: ({ x, scale, offset }) => [x, scale, offset].map(({ shape }) => tf.zeros(shape)),
  // Without depth every score is 0, and without keys the mean is one of nothing.
  DiffusionAttention: ({ q, k }) => [
    tf.zeros(q.shape),
    tf.fill(q.shape.slice(0, 3), k.shape[2] === 0 ? Number.NEGATIVE_INFINITY : Math.log(k.shape[2])),
  ],
  DiffusionAttentionGrad: ({ q, k, v }) => [q, k, v].map(({ shape }) => tf.zeros(shape)),
  DiffusionUpsampleNearest({ x }, { factor }) {
    const [batch, height, width, channels] = x.shape;
    return [tf.zeros([batch, height * factor, width * factor, channels])];
  },
  DiffusionUpsampleNearestGrad({ dy }, { factor }) {
    const [batch, height, width, channels] = dy.shape;
    return [tf.zeros([batch, height / factor, width / factor, channels])];
  },
};

/** Zeros of this shape, and what is added to them; tfjs's own addition on wasm cannot be given nothing either. */
function sumOf(shape: number[], ...addends: (tf.Tensor | undefined)[]): tf.Tensor {
  if (shape.includes(0)) return tf.zeros(shape);
  return addends.reduce<tf.Tensor>((sum, addend) => (addend ? tf.add(sum, addend) : sum), tf.zeros(shape));
}
