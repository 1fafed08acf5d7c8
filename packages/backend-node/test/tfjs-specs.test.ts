import { expect, it } from 'vitest';
import { describeInstalled } from './installed.js';

// The tests of another package are no part of what it publishes: hence by path.
const { compareSpecs } = (await import(
  new URL('../../backend-wasm/test/tfjs-specs/run.ts', import.meta.url).href
)) as {
  compareSpecs(
    entry: URL,
    list: URL,
  ): Promise<{ count: number; broken: Record<string, string>; mended: string[] }>;
};

describeInstalled('on tensorflow', () => {
  it("no spec of tfjs's own fails with our addon and kernels that passes without the kernels", async () => {
    const { count, broken, mended } = await compareSpecs(
      new URL('./tfjs-specs/tensorflow.js', import.meta.url),
      new URL('./tfjs-specs/tensorflow.txt', import.meta.url),
    );
    if (mended.length > 0) console.info('These pass now, and are listed as failing:', mended);
    expect(broken).toEqual({});
    expect(count).toBeGreaterThan(4200);
  });
});
