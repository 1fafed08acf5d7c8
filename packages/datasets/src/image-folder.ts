import { createHash } from 'node:crypto';
import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type sharp from 'sharp';
import { DataError } from './data-error.js';
import { type Batch, checkIndices, type Dataset, toBatch } from './dataset.js';
import { pixelToUnit } from './from-arrays.js';
import { unreadable } from './read-file.js';

/** How the images of a folder become examples. */
export interface ImageFolderOptions {
  /** The side of square images; or give `height` and `width`; or neither, where all images have one size already. */
  readonly size?: number;
  /** Rows of pixels; given together with `width`. */
  readonly height?: number;
  /** Columns of pixels. */
  readonly width?: number;
  /** 3 for colour (the default), 1 for greyscale. */
  readonly channels?: 1 | 3;
  /** Whether every other image, by chance, is mirrored left to right in training; false by default. */
  readonly flip?: boolean;
}

const IMAGE = /\.(png|jpe?g|webp)$/i;

/**
 * The PNG, JPEG and WebP files of a folder and of the folders in it, `[height, width, channels]` in [−1, 1]. Where they
 * lie in sub-folders, the sub-folders are the classes, in the order of their names. Symbolic links are followed. Other files,
 * and what begins with a dot, are passed over.
 *
 * An image is turned as its EXIF data says, scaled (Lanczos) so that it covers the size asked for, and cropped about its
 * centre; what is transparent becomes white; greyscale is luminance. Files are decoded when a batch asks for them.
 *
 * It needs the package `sharp` installed beside this one.
 *
 * @throws RangeError where an option is out of range. DataError, one sentence that names the file or folder, where
 * sharp is missing, images cannot be read, lie both in the folder and in its sub-folders, are missing in some sub-folders, or
 * differ in size while none is asked for, or a link leads to nothing or back to where it lies; a file that cannot be decoded
 * is reported by the batch that needs it.
 */
export async function imageFolder(path: string, options: ImageFolderOptions = {}): Promise<Dataset> {
  const { channels = 3, flip = false } = options;
  if (channels !== 1 && channels !== 3) {
    throw new RangeError(`channels is ${String(channels)}, expected 1 (greyscale) or 3 (colour)`);
  }
  const asked = askedSize(options);
  const { names, classes, labels } = await scan(path);
  const files = names.map((name) => join(path, name));
  const open = await loadSharp();
  const [height, width] = asked ?? (await commonSize(open, files));
  const shape = [height, width, channels] as const;
  const each = height * width * channels;

  return {
    size: files.length,
    shape,
    range: [-1, 1],
    ...(classes && { classes }),
    fingerprint: () => fingerprintOf(path, names),
    async batch(indices: ArrayLike<number>, random?: Rng): Promise<Batch> {
      checkIndices(indices, files.length);
      const count = indices.length;
      const mirrored = flip && random ? tf.tidy(() => random.integers([count], 2).dataSync()) : undefined;
      const x0 = new Float32Array(count * each);
      await Promise.all(
        Array.from(indices, async (index, i) => {
          const pixels = await decode(open, files[index]!, shape);
          write(pixels, shape, mirrored?.[i] === 1, x0.subarray(i * each, (i + 1) * each));
        }),
      );
      return toBatch(x0, shape, labels && Int32Array.from(indices, (index) => labels[index]!));
    },
  };
}

function askedSize({ size, height = size, width = size }: ImageFolderOptions): [number, number] | undefined {
  if (height === undefined && width === undefined) return undefined;
  for (const [name, value] of Object.entries({ height, width })) {
    if (value === undefined || !Number.isInteger(value) || value < 1) {
      throw new RangeError(`${name} is ${value}, expected a whole number of pixels`);
    }
  }
  return [height!, width!];
}

interface Scan {
  /** Of the files, within the folder and with slashes. */
  names: readonly string[];
  classes: readonly string[] | undefined;
  labels: readonly number[] | undefined;
}

async function scan(path: string): Promise<Scan> {
  const { files: found, folders } = await walk(path, '', []);
  // The order of code units: the same on every machine, whatever its language.
  const names = found.filter((name) => IMAGE.test(name)).sort();
  if (names.length === 0) throw new DataError(`${path} holds no PNG, JPEG or WebP images`);

  const classOf = (name: string): string | undefined =>
    name.includes('/') ? name.split('/')[0]! : undefined;
  const classes = [...new Set(names.map(classOf).filter((name) => name !== undefined))].sort();
  if (classes.length === 0) return { names, classes: undefined, labels: undefined };

  const loose = names.find((name) => classOf(name) === undefined);
  if (loose !== undefined) {
    throw new DataError(
      `${join(path, loose)} has no class: it lies beside the sub-folder ${classes[0]} that holds images too, expected all images in sub-folders or none`,
    );
  }
  const empty = folders.find((name) => !name.includes('/') && !classes.includes(name));
  if (empty !== undefined)
    throw new DataError(`${join(path, empty)} holds no images, though its sister folders are classes`);
  return { names, classes, labels: names.map((name) => classes.indexOf(classOf(name)!)) };
}

/** All files and folders in a folder, by their names within it; what begins with a dot is passed over. */
async function walk(
  root: string,
  within: string,
  above: readonly string[],
): Promise<{ files: string[]; folders: string[] }> {
  const folder = join(root, within);
  const refused = (cause: NodeJS.ErrnoException): never => {
    throw unreadable(folder, cause);
  };
  const here = [...above, await realpath(folder).catch(refused)];
  const files: string[] = [];
  const folders: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(refused)) {
    if (entry.name.startsWith('.')) continue;
    const name = within === '' ? entry.name : `${within}/${entry.name}`;
    if (!(entry.isSymbolicLink() ? await leadsToFolder(join(root, name), here) : entry.isDirectory())) {
      files.push(name);
      continue;
    }
    const inside = await walk(root, name, here);
    files.push(...inside.files);
    folders.push(name, ...inside.folders);
  }
  return { files, folders };
}

/** Whether a symbolic link leads to a folder, which must be none of those that the link lies in. */
async function leadsToFolder(link: string, here: readonly string[]): Promise<boolean> {
  const target = await realpath(link).catch((cause) => {
    throw new DataError(`${link} is a symbolic link that leads nowhere`, { cause });
  });
  if (!(await stat(target)).isDirectory()) return false;
  if (here.includes(target)) throw new DataError(`${link} is a symbolic link to a folder that it lies in`);
  return true;
}

// More at once would only wait for each other.
const STATS_AT_ONCE = 256;

/** A hash of the names and sizes of the files, which costs no reading of them. */
async function fingerprintOf(path: string, names: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (let first = 0; first < names.length; first += STATS_AT_ONCE) {
    const some = names.slice(first, first + STATS_AT_ONCE);
    const sizes = await Promise.all(some.map(async (name) => (await stat(join(path, name))).size));
    some.forEach((name, i) => {
      hash.update(`${name}\0${sizes[i]}\n`);
    });
  }
  return hash.digest('hex');
}

/** What opens a file as an image: sharp, an optional peer, asked for only here. */
type Open = typeof sharp;

async function loadSharp(): Promise<Open> {
  const { default: open } = await import('sharp').catch((cause) => {
    throw new DataError('reading images needs the package sharp: npm install sharp', { cause });
  });
  return open;
}

/** The height and width that all files share. */
async function commonSize(open: Open, files: readonly string[]): Promise<[number, number]> {
  let first: { height: number; width: number } | undefined;
  for (const file of files) {
    const { autoOrient } = await open(file)
      .metadata()
      .catch((cause) => {
        throw undecodable(file, cause);
      });
    first ??= autoOrient;
    if (autoOrient.height !== first.height || autoOrient.width !== first.width) {
      throw new DataError(
        `${file} has ${autoOrient.width}×${autoOrient.height} pixels, but ${files[0]} has ${first.width}×${first.height}: give the size that all are to be scaled to`,
      );
    }
  }
  return [first!.height, first!.width];
}

type Shape = readonly [height: number, width: number, channels: 1 | 3];

async function decode(open: Open, file: string, [height, width, channels]: Shape): Promise<Uint8Array> {
  return open(file, { failOn: 'error' })
    .autoOrient()
    .resize(width, height, { fit: 'cover', position: 'centre' })
    .flatten({ background: 'white' })
    .toColourspace(channels === 1 ? 'b-w' : 'srgb')
    .raw()
    .toBuffer()
    .catch((cause) => {
      throw undecodable(file, cause);
    });
}

function undecodable(file: string, cause: Error): DataError {
  return new DataError(`${file} cannot be decoded as an image (${cause.message.split('\n')[0]})`, { cause });
}

/** Writes the pixels as numbers in [−1, 1], mirrored left to right where asked. */
function write(
  pixels: Uint8Array,
  [height, width, channels]: Shape,
  mirrored: boolean,
  out: Float32Array,
): void {
  let i = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (y * width + (mirrored ? width - 1 - x : x)) * channels;
      for (let c = 0; c < channels; c++) out[i++] = pixelToUnit(pixels[from + c]!);
    }
  }
}
