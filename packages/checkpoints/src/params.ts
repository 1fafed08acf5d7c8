import type { Layout, Layouts, Params } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { CheckpointError } from './checkpoint-error.js';
import { bfloat16ToFloat32, float16ToFloat32, float32ToBfloat16, float32ToFloat16 } from './half-floats.js';
import { checkLayout, fromPyTorch, toPyTorch } from './layout.js';
import { type RawTensor, readSafetensors, type Safetensors, writeSafetensors } from './safetensors.js';

/**
 * The parameters in a safetensors file of a PyTorch state dict, floats as float32, integers as int32: those that `layouts`
 * names in our layout (a model's `layouts`: convolutions HWIO, linear maps [in, out]), the others as they are. The caller
 * disposes them.
 * @throws CheckpointError if the file is malformed (see `readSafetensors`), an I64 does not fit in 32 bits, a tensor does
 * not have the axes of its layout or holds a number that is not finite: nothing good comes of such weights.
 * @example
 * const params = paramsFromSafetensors(await readFile('model.safetensors'), model.layouts);
 */
export function paramsFromSafetensors(bytes: Uint8Array, layouts: Layouts = {}): Params {
  return paramsFromTensors(readSafetensors(bytes).tensors, layouts);
}

/**
 * The same from the tensors of the file, under whatever names they are to have.
 * @throws CheckpointError as `paramsFromSafetensors` does, but for a malformed file.
 */
export function paramsFromTensors(tensors: Safetensors['tensors'], layouts: Layouts): Params {
  const laid = Object.entries(tensors).map(([name, raw]) => {
    const layout = layoutOf(name, layouts);
    checkLayout(name, raw.shape, layout);
    const numbers = numbersOf(name, raw);
    const bad = numbers.find((value) => !Number.isFinite(value));
    if (bad !== undefined)
      throw new CheckpointError(`tensor "${name}" holds ${bad}, expected finite numbers`);
    return [name, fromPyTorch(raw.shape, numbers, layout)] as const;
  });
  return Object.fromEntries(laid.map(([name, { shape, data }]) => [name, tf.tensor(data, shape)]));
}

/**
 * A safetensors file of the parameters as a PyTorch state dict, those that `layouts` names in PyTorch's layout: floats as
 * `dtype` (F32 unless said otherwise, rounded to the nearest with ties to even), int32 as I32.
 * @throws CheckpointError if a parameter is neither float32 nor int32 or does not have the axes of its layout, its name
 * cannot be stored, or `dtype` is none of the three.
 * @example
 * const bytes = await paramsToSafetensors(state.ema ?? state.params, { layouts: model.layouts });
 */
export async function paramsToSafetensors(
  params: Params,
  {
    layouts = {},
    dtype = 'F32',
    metadata = {},
  }: {
    /** Which parameters PyTorch lays out otherwise: the `layouts` of the model. Default none. */
    layouts?: Layouts;
    /** As what floats are stored; default F32. */
    dtype?: 'F32' | 'F16' | 'BF16';
    /** What the file says of itself; default nothing. Hugging Face's libraries write `{ format: 'pt' }`. */
    metadata?: Record<string, string>;
  } = {},
): Promise<Uint8Array> {
  if (!['F32', 'F16', 'BF16'].includes(dtype)) {
    throw new CheckpointError(`dtype must be F32, F16 or BF16, not ${dtype}`);
  }
  for (const [name, tensor] of Object.entries(params)) {
    if (tensor.dtype !== 'float32' && tensor.dtype !== 'int32') {
      throw new CheckpointError(`parameter "${name}" must be float32 or int32, not ${tensor.dtype}`);
    }
    checkLayout(name, tensor.shape, layoutOf(name, layouts));
  }
  const raw = Object.entries(params).map(async ([name, tensor]): Promise<[string, RawTensor]> => {
    const numbers = (await tensor.data()) as Float32Array | Int32Array;
    const { shape, data } = toPyTorch(tensor.shape, numbers, layoutOf(name, layouts));
    if (data instanceof Int32Array) return [name, { dtype: 'I32', shape, data }];
    if (dtype === 'F16') return [name, { dtype, shape, data: float32ToFloat16(data) }];
    if (dtype === 'BF16') return [name, { dtype, shape, data: float32ToBfloat16(data) }];
    return [name, { dtype: 'F32', shape, data }];
  });
  return writeSafetensors(Object.fromEntries(await Promise.all(raw)), metadata);
}

/** A file may name a tensor like something that every object has. */
function layoutOf(name: string, layouts: Layouts): Layout | undefined {
  return Object.hasOwn(layouts, name) ? layouts[name] : undefined;
}

function numbersOf(name: string, raw: RawTensor): Float32Array | Int32Array {
  switch (raw.dtype) {
    case 'F32':
    case 'I32':
      return raw.data;
    case 'F16':
      return float16ToFloat32(raw.data);
    case 'BF16':
      return bfloat16ToFloat32(raw.data);
    case 'I64': {
      const large = raw.data.find((n) => BigInt.asIntN(32, n) !== n);
      if (large === undefined) return Int32Array.from(raw.data, Number);
      throw new CheckpointError(`tensor "${name}": the integer ${large} does not fit in 32 bits`);
    }
  }
}
