import * as tf from '@tensorflow/tfjs-core';
import { expect, it, vi } from 'vitest';
import { useWasm } from '../src/index.js';

it('says clearly that it needs SIMD', async () => {
  const getAsync = vi.spyOn(tf.env(), 'getAsync').mockResolvedValue(false);
  await expect(useWasm()).rejects.toThrow('backend-wasm needs WebAssembly SIMD');
  getAsync.mockRestore();
});

it('makes wasm the active backend, and may be called again', async () => {
  const warn = vi.spyOn(console, 'warn');
  await useWasm();
  await useWasm();
  expect(tf.getBackend()).toBe('wasm');
  expect(tf.getKernel('DiffusionConv2D', 'wasm')).toBeDefined();
  expect(tf.getKernel('Conv2DBackpropFilter', 'wasm')).toBeDefined();
  expect(warn).not.toHaveBeenCalled();
});
