import { expect, it, vi } from 'vitest';
import { useWasm } from '../src/index.js';

it('says where it looked for the binary that is not there', async () => {
  for (const method of ['warn', 'error'] as const) vi.spyOn(console, method).mockImplementation(() => {});
  await expect(useWasm({ wasmPaths: '/nowhere/' })).rejects.toThrow(
    'is tfjs-backend-wasm-simd.wasm at /nowhere/tfjs-backend-wasm-simd.wasm?',
  );
});
