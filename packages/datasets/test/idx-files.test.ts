import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expectNoLeak, useBackend } from '@diffusion-ts/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { DataError, withoutLabels } from '../src/index.js';
import { idx } from '../src/node.js';
import { idxBytes, temporaryFolder } from './bytes.js';

beforeAll(() => useBackend('cpu'));

const pixels = Uint8Array.from({ length: 40 * 28 * 28 }, (_, i) => (i * i) % 256);
const imageFile = idxBytes([40, 28, 28], pixels);

function write(name: string, bytes: Uint8Array): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, bytes);
  return path;
}

describe('idx', () => {
  it('reads the same images from a plain and from a gzip-compressed file', async () => {
    const plain = await idx({ images: write('images', imageFile) });
    const compressed = await idx({ images: write('images.gz', gzipSync(imageFile)) });
    expect([compressed.size, compressed.shape]).toEqual([40, [28, 28, 1]]);
    const [a, b] = [await plain.batch([3, 39]), await compressed.batch([3, 39])];
    expect(b.x0.dataSync()).toEqual(a.x0.dataSync());
    expect(a.x0.dataSync()[0]).toBeCloseTo(pixels[3 * 784]! / 127.5 - 1, 6);
  });

  it('reads labels and the names of their classes', async () => {
    const labels = write('labels', idxBytes([40], new Uint8Array(40).fill(1)));
    const dataset = await idx({ images: write('images', imageFile), labels, classes: ['shirt', 'shoe'] });
    expect(dataset.classes?.[(await dataset.batch([7])).condition!.label!.dataSync()[0]!]).toBe('shoe');
  });

  it('knows the same examples again wherever they lie, compressed or not, and tells others by one byte', async () => {
    const labels = write('labels', idxBytes([40], new Uint8Array(40)));
    const fingerprint = async (bytes: Uint8Array) =>
      (await idx({ images: write('images', bytes), labels })).fingerprint!();
    const known = await fingerprint(imageFile);
    expect(await fingerprint(gzipSync(imageFile))).toBe(known);
    const other = imageFile.slice();
    other[other.length - 1]! ^= 1;
    expect(await fingerprint(other)).not.toBe(known);
    const relabelled = write('labels', idxBytes([40], [1, ...new Uint8Array(39)]));
    const dataset = await idx({ images: write('images', imageFile), labels: relabelled });
    expect(await dataset.fingerprint!()).not.toBe(known);
    expect(await withoutLabels(dataset).fingerprint!()).toBe(await dataset.fingerprint!());
  });

  it('leaves only the tensors of the batch', async () => {
    const dataset = await idx({ images: write('images', imageFile) });
    await expectNoLeak(() => dataset.batch([0, 1]));
  });

  it('refuses a compressed file cut anywhere', async () => {
    const file = gzipSync(imageFile);
    for (const length of [1, 5, 12, 30, 200, file.length - 500, file.length - 8, file.length - 1]) {
      const path = write('images.gz', file.subarray(0, length));
      const error = await idx({ images: path }).catch((e: unknown) => e);
      expect(error, `${length} of ${file.length} bytes`).toBeInstanceOf(DataError);
      expect((error as Error).message).toContain(path);
    }
  });

  it('refuses a compressed file with a flipped byte by its checksum', async () => {
    const file = gzipSync(imageFile);
    file[file.length >> 1]! ^= 0x40;
    await expect(idx({ images: write('images.gz', file) })).rejects.toThrow(
      /images\.gz is damaged: it cannot be decompressed/,
    );
  });

  it('refuses a compressed file that inflates to more than its header says, and one whose header claims the impossible', async () => {
    const bomb = gzipSync(idxBytes([1, 2, 2], new Uint8Array(1e7)));
    await expect(idx({ images: write('bomb.gz', bomb) })).rejects.toThrow(
      /bomb\.gz goes on after its end: it inflates to more bytes than its header says/,
    );
    const claim = gzipSync(idxBytes([2 ** 31, 1000, 1000], new Uint8Array(100)));
    await expect(idx({ images: write('claim.gz', claim) })).rejects.toThrow(
      new RegExp(
        `claim\\.gz claims 2147483648×1000×1000 in its header, more than ${claim.length} compressed bytes can hold`,
      ),
    );
    const short = gzipSync(idxBytes([2, 2, 2], new Uint8Array(4)));
    await expect(idx({ images: write('short.gz', short) })).rejects.toThrow(
      /short\.gz is truncated: its header says 2×2×2, which takes 24 bytes, but it has 20/,
    );
  });

  it('says which file does not exist or cannot be read', async () => {
    const folder = temporaryFolder();
    const missing = join(folder, 'train-images');
    await expect(idx({ images: missing })).rejects.toThrow(
      new DataError(`${missing} cannot be read: there is no such file or folder`),
    );
    await expect(idx({ images: folder })).rejects.toThrow(new DataError(`${folder} cannot be read: EISDIR`));
  });
});
