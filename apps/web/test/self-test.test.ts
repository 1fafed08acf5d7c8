import { useWasm } from '@diffusion-ts/backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { adopt } from '../src/lab/self-test.js';

/** A backend that computes as wasm does, but for attention, whose results it multiplies. */
function almostWasm(name: string, factor: number): void {
  const wasm = tf.backend() as tf.KernelBackend;
  const kernelName = 'DiffusionAttention';
  const right = tf.getKernel(kernelName, 'wasm').kernelFunc;
  tf.registerBackend(name, () => wasm);
  tf.copyRegisteredKernels('wasm', name);
  tf.unregisterKernel(kernelName, name);
  tf.registerKernel({
    kernelName,
    backendName: name,
    kernelFunc: (args) =>
      [right(args)].flat().map((info) => {
        const values = (wasm.readSync(info.dataId) as Float32Array).map((value) => factor * value);
        wasm.disposeData(info.dataId);
        return { ...info, dataId: wasm.write(values, info.shape, info.dtype) };
      }),
  });
}

beforeAll(async () => {
  await useWasm();
  almostWasm('same', 1);
  almostWasm('slanted', 1.1);
  almostWasm('poisoned', Number.NaN);
});
beforeEach(() => tf.setBackend('wasm'));

it('a backend with the numbers of the reference is taken, and nothing is left in memory', async () => {
  await adopt('same', 'wasm');
  await tf.setBackend('wasm');
  const before = tf.memory().numTensors;
  expect(await adopt('same', 'wasm')).toEqual({
    adopted: true,
    note: "same is in use: its numbers agree with WebAssembly's to 0e+0.",
  });
  expect(tf.getBackend()).toBe('same');
  expect(tf.memory().numTensors).toBe(before);
});

it('a backend whose attention is a tenth too large is refused in one sentence that names what is wrong', async () => {
  const { adopted, note } = await adopt('slanted', 'wasm');
  expect(adopted).toBe(false);
  expect(note).toMatch(/^slanted is not used: its attention differs from WebAssembly's by [\d.]+ %\.$/);
  expect(tf.getBackend()).toBe('wasm');
});

it('a backend that gives NaN is refused', async () => {
  const { adopted, note } = await adopt('poisoned', 'wasm');
  expect(adopted).toBe(false);
  expect(note).toContain('NaN %');
  expect(tf.getBackend()).toBe('wasm');
});

it('a backend that does not start is refused', async () => {
  vi.spyOn(console, 'warn').mockReturnValue();
  tf.registerBackend('absent', () => Promise.reject(new Error('no device')));
  expect(await adopt('absent', 'wasm')).toEqual({
    adopted: false,
    note: 'absent is not used: this browser gives no adapter for it.',
  });
});
