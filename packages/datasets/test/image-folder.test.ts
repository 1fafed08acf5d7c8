import {
  appendFileSync,
  cpSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, useBackend } from '@diffusion-ts/testing';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { batches, DataError } from '../src/index.js';
import { imageFolder } from '../src/node.js';
import { temporaryFolder } from './bytes.js';

beforeAll(() => useBackend('cpu'));

type Pixel = (x: number, y: number) => readonly number[];

/** Writes an image whose pixel at (x, y) is `pixel(x, y)`; the ending of `path` gives its format, lossless where it can be. */
async function paint(path: string, width: number, height: number, pixel: Pixel): Promise<string> {
  mkdirSync(dirname(path), { recursive: true });
  const pixels = Array.from({ length: width * height }, (_, i) =>
    pixel(i % width, Math.floor(i / width)),
  ).flat();
  const channels = (pixels.length / (width * height)) as 1 | 2 | 3 | 4;
  const image = sharp(Uint8Array.from(pixels), { raw: { width, height, channels } });
  await (path.endsWith('.webp') ? image.webp({ lossless: true }) : image).toFile(path);
  return path;
}

const grey =
  (k: number): Pixel =>
  () => [k, k, k];
const unit = (k: number): number => k / 127.5 - 1;

describe('imageFolder', () => {
  it('reads pixels of PNG and WebP exactly, in NHWC and [−1, 1]', async () => {
    const folder = temporaryFolder();
    const pixel: Pixel = (x, y) => [x * 50, y * 70, 200];
    await paint(join(folder, 'a.png'), 4, 3, pixel);
    await paint(join(folder, 'b.webp'), 4, 3, pixel);
    const dataset = await imageFolder(folder);
    expect([dataset.size, dataset.shape, dataset.classes, dataset.range]).toEqual([
      2,
      [3, 4, 3],
      undefined,
      [-1, 1],
    ]);
    const { x0, condition } = await dataset.batch([0, 1]);
    const expected = Array.from({ length: 12 }, (_, i) => pixel(i % 4, Math.floor(i / 4)).map(unit)).flat();
    expectAllClose(x0, [...expected, ...expected], { relative: 0, absolute: 1e-6 });
    expect(condition).toBeUndefined();
  });

  it('reads JPEG to within its compression', async () => {
    const folder = temporaryFolder();
    await paint(join(folder, 'a.jpg'), 16, 16, () => [220, 40, 120]);
    const { x0 } = await (await imageFolder(folder)).batch([0]);
    expectAllClose(x0.dataSync(), Array.from({ length: 256 }, () => [220, 40, 120].map(unit)).flat(), {
      relative: 0,
      absolute: 0.03,
    });
  });

  it('scales images of any size to the one asked for, and crops them about the centre', async () => {
    const folder = temporaryFolder();
    // White but for the middle square, which is all that a centre crop of a wide image keeps.
    await paint(join(folder, 'wide.png'), 96, 32, (x) => (x >= 32 && x < 64 ? [0, 0, 0] : [255, 255, 255]));
    await paint(join(folder, 'tall.png'), 8, 24, (_, y) => (y >= 8 && y < 16 ? [0, 0, 0] : [255, 255, 255]));
    const dataset = await imageFolder(folder, { size: 16 });
    const { x0 } = await dataset.batch([0, 1]);
    expect(x0.shape).toEqual([2, 16, 16, 3]);
    const values = x0.arraySync() as number[][][][];
    for (const image of values)
      for (const [y, x] of [
        [8, 8],
        [3, 12],
        [12, 3],
      ])
        expect(image[y!]![x!]![0]).toBeCloseTo(-1, 1);
  });

  it('takes height and width apart', async () => {
    const folder = temporaryFolder();
    await paint(join(folder, 'a.png'), 9, 9, grey(100));
    const dataset = await imageFolder(folder, { height: 4, width: 6, channels: 1 });
    const { x0 } = await dataset.batch([0]);
    expect([dataset.shape, x0.shape]).toEqual([
      [4, 6, 1],
      [1, 4, 6, 1],
    ]);
    expectAllClose(x0, new Array(24).fill(unit(100)), { relative: 0, absolute: 1e-6 });
  });

  it('makes colour of greyscale, greyscale of colour, and white of what is transparent', async () => {
    const folder = temporaryFolder();
    await paint(join(folder, 'a-grey.png'), 2, 2, () => [77]);
    await paint(join(folder, 'b-transparent.png'), 2, 2, () => [10, 20, 30, 0]);
    await paint(join(folder, 'c-neutral.png'), 2, 2, grey(160));
    const pixels = async (channels: 1 | 3) => {
      const { x0 } = await (await imageFolder(folder, { channels })).batch([0, 1, 2]);
      return [...x0.dataSync()].map((x) => Math.round((x + 1) * 127.5));
    };
    const repeat = (counts: number) => [77, 255, 160].flatMap((k) => new Array<number>(counts).fill(k));
    expect(await pixels(3)).toEqual(repeat(12));
    expect(await pixels(1)).toEqual(repeat(4));
  });

  it('reads deep, CMYK and palette images as eight-bit ones', async () => {
    const folder = temporaryFolder();
    const deep = Uint16Array.from({ length: 64 * 3 }, () => 0x8080);
    await sharp(deep, { raw: { width: 8, height: 8, channels: 3 } })
      .toColourspace('rgb16')
      .png()
      .toFile(join(folder, 'a.png'));
    const plain = sharp(new Uint8Array(64 * 3).fill(128), { raw: { width: 8, height: 8, channels: 3 } });
    await plain.clone().png({ palette: true }).toFile(join(folder, 'b.png'));
    await plain.clone().toColourspace('cmyk').jpeg().toFile(join(folder, 'c.jpg'));
    const { x0 } = await (await imageFolder(folder)).batch([0, 1, 2]);
    expectAllClose(x0.dataSync().slice(0, 2 * 192), new Array(2 * 192).fill(unit(128)), {
      relative: 0,
      absolute: 1e-6,
    });
    expectAllClose(x0.dataSync().slice(2 * 192), new Array(192).fill(unit(128)), {
      relative: 0,
      absolute: 0.15,
    });
  });

  it('turns photographs as their EXIF data says', async () => {
    const folder = temporaryFolder();
    const pixels = Uint8Array.from({ length: 8 * 4 * 3 }, (_, i) => (Math.floor(i / 3) % 8 < 4 ? 0 : 255));
    const image = sharp(pixels, { raw: { width: 8, height: 4, channels: 3 } });
    await image.withMetadata({ orientation: 6 }).png().toFile(join(folder, 'a.png'));
    const dataset = await imageFolder(folder, { channels: 1 });
    expect(dataset.shape).toEqual([8, 4, 1]);
    const x0 = (await dataset.batch([0])).x0.dataSync();
    // What was the left half is on top after a quarter turn to the right.
    expect([x0[0], x0[3], x0[28], x0[31]]).toEqual([-1, -1, 1, 1]);
  });

  it('takes sub-folders as classes in the order of their names, with all that lies in them', async () => {
    const folder = temporaryFolder();
    await paint(join(folder, 'dog', 'z.png'), 2, 2, grey(3));
    await paint(join(folder, 'cat', 'b.png'), 2, 2, grey(2));
    await paint(join(folder, 'cat', 'tabby', 'a.png'), 2, 2, grey(1));
    writeFileSync(join(folder, 'notes.txt'), 'not an image');
    mkdirSync(join(folder, '.cache'));
    writeFileSync(join(folder, '.cache', 'x.png'), 'hidden');
    const dataset = await imageFolder(folder, { channels: 1 });
    expect([dataset.size, dataset.classes]).toEqual([3, ['cat', 'dog']]);
    const { x0, condition } = await dataset.batch([0, 1, 2]);
    expect([...condition!.label!.dataSync()]).toEqual([0, 0, 1]);
    const shades = [0, 4, 8].map((i) => Math.round((x0.dataSync()[i]! + 1) * 127.5));
    expect(shades).toEqual([2, 1, 3]);
  });

  it('follows symbolic links to classes, to folders in them and to images', async () => {
    const [real, folder] = [temporaryFolder(), temporaryFolder()];
    await paint(join(real, 'cats', 'b.png'), 2, 2, grey(2));
    await paint(join(real, 'tabby', 'a.png'), 2, 2, grey(1));
    await paint(join(folder, 'dog', 'z.png'), 2, 2, grey(3));
    symlinkSync(join(real, 'cats'), join(folder, 'cat'));
    symlinkSync(join(real, 'tabby'), join(real, 'cats', 'tabby'));
    symlinkSync(join(folder, 'dog', 'z.png'), join(folder, 'dog', 'again.png'));
    const dataset = await imageFolder(folder, { channels: 1 });
    expect([dataset.size, dataset.classes]).toEqual([4, ['cat', 'dog']]);
    const { x0, condition } = await dataset.batch([0, 1, 2, 3]);
    expect([...condition!.label!.dataSync()]).toEqual([0, 0, 1, 1]);
    const shades = [0, 4, 8, 12].map((i) => Math.round((x0.dataSync()[i]! + 1) * 127.5));
    expect(shades).toEqual([2, 1, 3, 3]);
  });

  it('names a symbolic link that leads nowhere, or back to where it lies', async () => {
    const folder = temporaryFolder();
    await paint(join(folder, 'cat', 'a.png'), 2, 2, grey(1));
    symlinkSync(join(folder, 'gone'), join(folder, 'dog'));
    await expect(imageFolder(folder)).rejects.toThrow(
      new DataError(`${join(folder, 'dog')} is a symbolic link that leads nowhere`),
    );
    mkdirSync(join(folder, 'gone'));
    symlinkSync(folder, join(folder, 'gone', 'up'));
    await expect(imageFolder(folder)).rejects.toThrow(/is a symbolic link to a folder that it lies in$/);
  });

  it('knows the same files again wherever they lie, and tells those with another name or size', async () => {
    const folder = temporaryFolder();
    await paint(join(folder, 'cat', 'a.png'), 2, 2, grey(1));
    await paint(join(folder, 'dog', 'b.png'), 2, 2, grey(2));
    const fingerprint = async (path: string) => (await imageFolder(path)).fingerprint!();
    const known = await fingerprint(folder);
    const moved = temporaryFolder();
    cpSync(folder, moved, { recursive: true });
    expect(await fingerprint(moved)).toBe(known);
    renameSync(join(moved, 'cat'), join(moved, 'zebra'));
    expect(await fingerprint(moved)).not.toBe(known);
    appendFileSync(join(folder, 'dog', 'b.png'), '.');
    expect(await fingerprint(folder)).not.toBe(known);
  });

  it('mirrors about half of the images, the same ones for the same seed, and none without a source of chance', async () => {
    const folder = temporaryFolder();
    await paint(join(folder, 'a.png'), 3, 1, (x) => [x * 100, 0, x]);
    const straight = [
      [0, 0, 0],
      [100, 0, 1],
      [200, 0, 2],
    ]
      .flat()
      .map(unit);
    const mirrored = [
      [200, 0, 2],
      [100, 0, 1],
      [0, 0, 0],
    ]
      .flat()
      .map(unit);
    const dataset = await imageFolder(folder, { flip: true });
    const indices = new Array<number>(100).fill(0);
    const values = async (seed?: number) => {
      const { x0 } = await dataset.batch(indices, seed === undefined ? undefined : rng(seed));
      return x0.dataSync();
    };
    const once = await values(1);
    let flips = 0;
    for (let i = 0; i < 100; i++) {
      const isFlipped = once[9 * i]! > 0;
      flips += isFlipped ? 1 : 0;
      expectAllClose(once.slice(9 * i, 9 * i + 9), isFlipped ? mirrored : straight, {
        relative: 0,
        absolute: 1e-6,
      });
    }
    // 50 ± 4 standard deviations of 5.
    expect(Math.abs(flips - 50)).toBeLessThan(20);
    expect(await values(1)).toEqual(once);
    expect(await values(2)).not.toEqual(once);
    expect(await values()).toEqual(Float32Array.from({ length: 900 }, (_, i) => straight[i % 9]!));

    const unflipped = await (await imageFolder(folder)).batch(indices, rng(1));
    expect(unflipped.x0.dataSync()).toEqual(await values());
  });

  it('draws flips that a resumed run draws again', async () => {
    const folder = temporaryFolder();
    await paint(join(folder, 'a.png'), 2, 1, (x) => [x * 255]);
    const dataset = await imageFolder(folder, { flip: true, channels: 1 });
    const take = async (start: number, count: number) => {
      const seen: number[][] = [];
      for await (const { x0 } of batches(dataset, { size: 5, seed: 4, start })) {
        seen.push([...x0.dataSync()]);
        if (seen.length === count) break;
      }
      return seen;
    };
    const all = await take(0, 6);
    expect(await take(3, 3)).toEqual(all.slice(3));
    expect(new Set(all.flat()).size).toBe(2);
    expect(new Set(all.map(String)).size).toBeGreaterThan(1);
  });

  it('leaves only the tensors of the batch', async () => {
    const folder = temporaryFolder();
    await paint(join(folder, 'cat', 'a.png'), 2, 2, grey(1));
    const dataset = await imageFolder(folder, { flip: true });
    await expectNoLeak(() => dataset.batch([0, 0], rng(0)));
  });

  it.each(['png', 'jpg', 'webp'])('names a truncated .%s file, and makes no tensor', async (ending) => {
    const folder = temporaryFolder();
    const noise: Pixel = (x, y) => [(x * x * 7) % 256, (y * y * 13) % 256, (x * y) % 256];
    await paint(join(folder, `a.${ending}`), 40, 40, noise);
    const broken = await paint(join(folder, `b.${ending}`), 40, 40, noise);
    truncateSync(broken, Math.floor(readFileSync(broken).length * 0.8));
    const dataset = await imageFolder(folder, { size: 40 });
    await expectNoLeak(async () => {
      const error = (await dataset.batch([0, 1]).catch((e: unknown) => e)) as Error;
      expect(error).toBeInstanceOf(DataError);
      expect(error.message).toContain(`${broken} cannot be decoded as an image (`);
      expect(error.message).not.toContain('\n');
    });
  });

  it('names a file that is no image at all, at once where it must know its size', async () => {
    const folder = temporaryFolder();
    const path = join(folder, 'a.png');
    writeFileSync(path, 'hello');
    await expect(imageFolder(folder)).rejects.toThrow(
      new DataError(`${path} cannot be decoded as an image (Input file contains unsupported image format)`),
    );
    await expect((await imageFolder(folder, { size: 8 })).batch([0])).rejects.toThrow(path);
  });

  it('names the first file of another size where none is asked for', async () => {
    const folder = temporaryFolder();
    const first = await paint(join(folder, 'a.png'), 4, 3, grey(0));
    const other = await paint(join(folder, 'b.png'), 5, 3, grey(0));
    await expect(imageFolder(folder)).rejects.toThrow(
      new DataError(
        `${other} has 5×3 pixels, but ${first} has 4×3: give the size that all are to be scaled to`,
      ),
    );
  });

  it('names an image that lies beside class folders, and a class folder without images', async () => {
    const folder = temporaryFolder();
    await paint(join(folder, 'cat', 'a.png'), 2, 2, grey(1));
    mkdirSync(join(folder, 'dog'));
    await expect(imageFolder(folder)).rejects.toThrow(
      new DataError(`${join(folder, 'dog')} holds no images, though its sister folders are classes`),
    );
    const loose = await paint(join(folder, 'b.png'), 2, 2, grey(1));
    await expect(imageFolder(folder)).rejects.toThrow(
      new DataError(
        `${loose} has no class: it lies beside the sub-folder cat that holds images too, expected all images in sub-folders or none`,
      ),
    );
  });

  it('names a folder that does not exist, is a file, or holds no images', async () => {
    const folder = temporaryFolder();
    await expect(imageFolder(folder)).rejects.toThrow(
      new DataError(`${folder} holds no PNG, JPEG or WebP images`),
    );
    const missing = join(folder, 'missing');
    await expect(imageFolder(missing)).rejects.toThrow(
      new DataError(`${missing} cannot be read: there is no such file or folder`),
    );
    const file = join(folder, 'file');
    writeFileSync(file, '');
    await expect(imageFolder(file)).rejects.toThrow(new DataError(`${file} cannot be read: ENOTDIR`));
  });

  it('refuses sizes and channels that no image has', async () => {
    const folder = temporaryFolder();
    await expect(imageFolder(folder, { size: 0 })).rejects.toThrow(
      new RangeError('height is 0, expected a whole number of pixels'),
    );
    await expect(imageFolder(folder, { height: 8 })).rejects.toThrow(
      new RangeError('width is undefined, expected a whole number of pixels'),
    );
    await expect(imageFolder(folder, { channels: 4 as 3 })).rejects.toThrow(
      new RangeError('channels is 4, expected 1 (greyscale) or 3 (colour)'),
    );
  });
});
