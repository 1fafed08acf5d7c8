import { expect, it } from 'vitest';
import { compareSpecs } from './tfjs-specs/run.js';

it("no spec of tfjs's own fails with our kernels on wasm that passes without them", async () => {
  const { count, broken, mended } = await compareSpecs(
    new URL('./tfjs-specs/wasm.js', import.meta.url),
    new URL('./tfjs-specs/wasm.txt', import.meta.url),
  );
  if (mended.length > 0) console.info('These pass now, and are listed as failing:', mended);
  expect(broken).toEqual({});
  expect(count).toBeGreaterThan(4200);
});
