import { expect, it } from 'vitest';
import { binary } from '#binary';
import { forSharedMemory } from '../src/shared-memory.js';

it('the kernels run in a memory that threads share, as in one that they do not', async () => {
  const run = async (bytes: Uint8Array<ArrayBuffer>, memory: WebAssembly.Memory): Promise<number[]> => {
    const { instance } = await WebAssembly.instantiate(bytes, { env: { memory } });
    const { add } = instance.exports as { add(a: number, b: number, y: number, count: number): void };
    new Float32Array(memory.buffer, 1024, 5).set([1, 2, 3, 4, 5]);
    add(1024, 1024, 2048, 5);
    return [...new Float32Array(memory.buffer, 2048, 5)];
  };
  const plain = new WebAssembly.Memory({ initial: 2 });
  const shared = new WebAssembly.Memory({ initial: 2, maximum: 4, shared: true });
  expect(await run(binary, plain)).toEqual([2, 4, 6, 8, 10]);
  expect(await run(forSharedMemory(binary), shared)).toEqual([2, 4, 6, 8, 10]);
  await expect(run(binary, shared)).rejects.toThrow(WebAssembly.LinkError);
});
