import { readFileSync } from 'node:fs';
import { disposeParams } from '@diffusion-ts/tensor';
import { expectNoLeak, goldenPath, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import {
  CheckpointError,
  float16ToFloat32,
  paramsFromSafetensors,
  paramsToSafetensors,
  readSafetensors,
  writeSafetensors,
} from '../src/index.js';

const weights = readFileSync(goldenPath('unet-class-conditional/diffusion_pytorch_model.safetensors'));

onEachBackend(() => {
  it('a PyTorch file becomes parameters in our layout and the same bytes again', async () => {
    const raw = readSafetensors(weights).tensors;
    const params = paramsFromSafetensors(weights);
    expect(params['conv_in.weight']!.shape).toEqual([3, 3, 2, 16]);
    expect(params['class_embedding.weight']!.shape).toEqual(raw['class_embedding.weight']!.shape);
    // w[o, i, h, w] of PyTorch is w[h, w, i, o] here.
    const [o, i, h, w] = [5, 1, 2, 0];
    expect(params['conv_in.weight']!.dataSync()[((h * 3 + w) * 2 + i) * 16 + o]).toBe(
      raw['conv_in.weight']!.data[((o * 2 + i) * 3 + h) * 3 + w],
    );
    const written = await paramsToSafetensors(params, { metadata: { format: 'pt' } });
    expect(Buffer.compare(written, weights)).toBe(0);
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
    await expectNoLeak(() => paramsFromSafetensors(weights));
    const params = paramsFromSafetensors(weights);
    await expectNoLeak(() => paramsToSafetensors(params, { dtype: 'F16' }));
    disposeParams(params);
  });
});
