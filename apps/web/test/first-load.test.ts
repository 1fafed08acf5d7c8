import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { firstLoad, transferSize } from './first-load.js';

const CEILING = 400_000;

it(`a first visit loads less than ${CEILING / 1000} kB, gzipped, before data and checkpoint`, () => {
  const files = firstLoad('Forward');
  const sizes = files.map((file) => ({ file, bytes: transferSize(file) })).sort((a, b) => b.bytes - a.bytes);
  const total = sizes.reduce((sum, { bytes }) => sum + bytes, 0);
  expect(total, JSON.stringify(sizes.slice(0, 6))).toBeLessThan(CEILING);
});

it('the parts that a first visit cannot do without are counted: the page, the worker, tfjs in WebAssembly, the font', () => {
  const files = firstLoad('Forward').join();
  for (const part of [/Forward-[^,]*\.js/, /worker-[^,]*\.js/, /simd-[^,]*\.wasm/, /inter-[^,]*\.woff2/]) {
    expect(files).toMatch(part);
  }
  expect(files).not.toMatch(/Derivation|katex/);
});

it("no file imports the worker's first one, which WebKit would then evaluate once more", () => {
  const assets = new URL('../dist/assets/', import.meta.url);
  const files = readdirSync(assets).filter((name) => name.endsWith('.js'));
  const worker = files.filter((name) => name.startsWith('worker-'));
  expect(worker).toHaveLength(1);
  const importing = files.filter((name) =>
    new RegExp(`(?:from|import) *\\(?["'\`]\\./${worker[0]}`).test(
      readFileSync(new URL(name, assets), 'utf8'),
    ),
  );
  expect(importing).toEqual([]);
});
