import { readFileSync } from 'node:fs';
import { disposeParams, type Layouts } from '@diffusion-ts/tensor';
import { expectNoLeak, goldenPath, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import {
  CheckpointError,
  float16ToFloat32,
  paramsFromSafetensors,
  paramsToSafetensors,
  prefixed,
  readSafetensors,
  unprefixed,
  writeSafetensors,
} from '../src/index.js';

const weights = readFileSync(goldenPath('unet-class-conditional/diffusion_pytorch_model.safetensors'));

const [CONVOLUTION, LINEAR] = [
  [3, 2, 0, 1],
  [1, 0],
];
/** Those of the convolutions and linear maps in the file, as its U-Net declares them. */
const layouts: Layouts = Object.fromEntries(
  Object.entries(readSafetensors(weights).tensors).flatMap(([name, { shape }]) => {
    if (shape.length < 2 || name === 'class_embedding.weight') return [];
    return [[name, shape.length === 4 ? CONVOLUTION! : LINEAR!]];
  }),
);

onEachBackend(() => {
  it('a PyTorch file becomes parameters in our layout and the same bytes again', async () => {
    const raw = readSafetensors(weights).tensors;
    const params = paramsFromSafetensors(weights, layouts);
    expect(params['conv_in.weight']!.shape).toEqual([3, 3, 2, 16]);
    expect(params['class_embedding.weight']!.shape).toEqual(raw['class_embedding.weight']!.shape);
    // w[o, i, h, w] of PyTorch is w[h, w, i, o] here.
    const [o, i, h, w] = [5, 1, 2, 0];
    expect(params['conv_in.weight']!.dataSync()[((h * 3 + w) * 2 + i) * 16 + o]).toBe(
      raw['conv_in.weight']!.data[((o * 2 + i) * 3 + h) * 3 + w],
    );
    const [out, into] = [3, 40];
    expect(params['time_embedding.linear_1.weight']!.shape).toEqual([16, 64]);
    expect(params['time_embedding.linear_1.weight']!.dataSync()[out * 64 + into]).toBe(
      raw['time_embedding.linear_1.weight']!.data[into * 16 + out],
    );
    const written = await paramsToSafetensors(params, { layouts, metadata: { format: 'pt' } });
    expect(Buffer.compare(written, weights)).toBe(0);
    disposeParams(params);
  });

  it('layouts alone decide: a table, a map and a transposed convolution may bear any name', async () => {
    const params = {
      'embedding_table.weight': tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]),
      map: tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]),
      'up.weight': tf.tensor4d([1, 2, 3, 4, 5, 6], [1, 3, 2, 1]),
    };
    const own = { map: [1, 0], 'up.weight': [2, 3, 0, 1], absent: [1, 0] };
    const bytes = await paramsToSafetensors(params, { layouts: own });
    const { tensors } = readSafetensors(bytes);
    expect(tensors).toEqual({
      'embedding_table.weight': { dtype: 'F32', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) },
      map: { dtype: 'F32', shape: [3, 2], data: Float32Array.of(1, 4, 2, 5, 3, 6) },
      'up.weight': { dtype: 'F32', shape: [2, 1, 1, 3], data: Float32Array.of(1, 3, 5, 2, 4, 6) },
    });
    const read = paramsFromSafetensors(bytes, own);
    for (const [name, { shape }] of Object.entries(params)) {
      expect([name, read[name]!.shape, ...read[name]!.dataSync()]).toEqual([name, shape, 1, 2, 3, 4, 5, 6]);
    }
    disposeParams(params);
    disposeParams(read);
  });

  it('the moments of an optimizer are laid out like the parameters, under their prefixes', async () => {
    // As PyTorch has them, and as every run has saved them.
    const file = writeSafetensors({
      'm.map.weight': { dtype: 'F32', shape: [3, 2], data: Float32Array.of(1, 4, 2, 5, 3, 6) },
      'm.class_embedding.weight': { dtype: 'F32', shape: [1, 2], data: Float32Array.of(7, 8) },
      'v.map.weight': { dtype: 'F32', shape: [3, 2], data: Float32Array.of(9, 0, 9, 0, 9, 0) },
    });
    const own = { 'map.weight': [1, 0] };
    const both = { ...prefixed(own, 'm.'), ...prefixed(own, 'v.') };
    const moments = paramsFromSafetensors(file, both);
    const m = unprefixed(moments, 'm.');
    const v = unprefixed(moments, 'v.');
    expect(Object.keys(m)).toEqual(['map.weight', 'class_embedding.weight']);
    expect([m['map.weight']!.shape, ...m['map.weight']!.dataSync()]).toEqual([[2, 3], 1, 2, 3, 4, 5, 6]);
    expect(Array.from(m['class_embedding.weight']!.dataSync())).toEqual([7, 8]);
    expect([v['map.weight']!.shape, ...v['map.weight']!.dataSync()]).toEqual([[2, 3], 9, 9, 9, 0, 0, 0]);
    expect(Buffer.compare(await paramsToSafetensors(moments, { layouts: both }), file)).toBe(0);
    disposeParams(moments);
  });

  it('a tensor without the axes of its layout is refused, before one is made and before one is read back', async () => {
    const params = { 'x.weight': tf.tensor1d([1, 2]) };
    const bytes = await paramsToSafetensors(params);
    const before = tf.memory().numTensors;
    const wrong = new CheckpointError(
      'tensor "x.weight": the layout [1,0] is no permutation of the axes of shape [2]',
    );
    expect(() => paramsFromSafetensors(bytes, { 'x.weight': [1, 0] })).toThrow(wrong);
    await expect(paramsToSafetensors(params, { layouts: { 'x.weight': [1, 0] } })).rejects.toThrow(wrong);
    expect(tf.memory().numTensors).toBe(before);
    disposeParams(params);
  });

  it('floats are written in the asked precision, integers as they are', async () => {
    const params = { x: tf.tensor1d([1 / 3, 65520, -0]), step: tf.tensor1d([7, -7], 'int32') };
    const half = readSafetensors(await paramsToSafetensors(params, { dtype: 'F16' })).tensors;
    expect(half.x).toEqual({ dtype: 'F16', shape: [3], data: Uint16Array.of(0x3555, 0x7c00, 0x8000) });
    const brain = readSafetensors(await paramsToSafetensors(params, { dtype: 'BF16' })).tensors;
    expect(brain.x).toEqual({ dtype: 'BF16', shape: [3], data: Uint16Array.of(0x3eab, 0x4780, 0x8000) });
    expect(brain.step).toEqual({ dtype: 'I32', shape: [2], data: Int32Array.of(7, -7) });
    disposeParams(params);
  });

  it('halves and 64-bit integers are read as float32 and int32', () => {
    const data = Uint16Array.of(0x3555, 0xc000, 1);
    const params = paramsFromSafetensors(
      writeSafetensors({
        half: { dtype: 'F16', shape: [3], data },
        brain: { dtype: 'BF16', shape: [3], data },
        whole: { dtype: 'I64', shape: [2], data: BigInt64Array.of(2n ** 31n - 1n, -(2n ** 31n)) },
      }),
    );
    expect(params.half!.dataSync()).toEqual(float16ToFloat32(data));
    expect(params.brain!.dataSync()).toEqual(
      new Float32Array(Uint32Array.from(data, (bits) => bits << 16).buffer),
    );
    expect(params.whole!.dtype).toBe('int32');
    expect(Array.from(params.whole!.dataSync())).toEqual([2 ** 31 - 1, -(2 ** 31)]);
    disposeParams(params);
  });

  it('an integer that does not fit in 32 bits is refused before a tensor is made', () => {
    const bytes = writeSafetensors({
      x: { dtype: 'F32', shape: [1], data: Float32Array.of(1) },
      seed: { dtype: 'I64', shape: [1], data: BigInt64Array.of(2n ** 31n) },
    });
    const before = tf.memory().numTensors;
    expect(() => paramsFromSafetensors(bytes)).toThrow(
      new CheckpointError('tensor "seed": the integer 2147483648 does not fit in 32 bits'),
    );
    expect(tf.memory().numTensors).toBe(before);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('weights of which one is %s are refused', (bad) => {
    const tensors = {
      good: { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) },
      bad: { dtype: 'F32', shape: [2], data: Float32Array.of(1, bad) },
    } as const;
    const before = tf.memory().numTensors;
    expect(() => paramsFromSafetensors(writeSafetensors(tensors))).toThrow(
      new CheckpointError(`tensor "bad" holds ${bad}, expected finite numbers`),
    );
    expect(tf.memory().numTensors).toBe(before);
  });

  it('a parameter of another type, and another precision, are refused', async () => {
    const flag = tf.tensor1d([true], 'bool');
    await expect(paramsToSafetensors({ flag })).rejects.toThrow(
      new CheckpointError('parameter "flag" must be float32 or int32, not bool'),
    );
    await expect(paramsToSafetensors({}, { dtype: 'F64' as never })).rejects.toThrow(
      new CheckpointError('dtype must be F32, F16 or BF16, not F64'),
    );
    flag.dispose();
  });

  it('reading and writing leave no tensors behind', async () => {
    await expectNoLeak(() => paramsFromSafetensors(weights, layouts));
    const params = paramsFromSafetensors(weights, layouts);
    await expectNoLeak(() => paramsToSafetensors(params, { layouts, dtype: 'F16' }));
    disposeParams(params);
  });
});
