import { onEachBackend } from '@diffusion-ts/testing';
import { expect, it } from 'vitest';
import { isPlainWasm } from '../src/plain-wasm.js';

onEachBackend((name) => {
  it(`${name} is ${name === 'wasm' ? '' : 'not '}the backend that was made for inference alone`, () => {
    expect(isPlainWasm()).toBe(name === 'wasm');
  });
});
