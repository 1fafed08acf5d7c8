import { createHash } from 'node:crypto';
import { constants, gunzipSync } from 'node:zlib';
import { DataError } from './data-error.js';
import type { Dataset } from './dataset.js';
import { fromIdx, type IdxClasses, type NamedBytes, parseIdxHeader, usualClasses } from './idx.js';
import { readBytes } from './read-file.js';

/** Paths of IDX files, gzip-compressed or not, and the classes as `fromIdx` takes them. */
export interface IdxFiles {
  /** The path of the images, `[count, height, width]`. */
  readonly images: string;
  /** The path of their labels, `[count]`; without it the examples have none. */
  readonly labels?: string;
  /** What the labels mean; default the ten digits where every label is one, and otherwise the labels that there are. */
  readonly classes?: IdxClasses;
}

/**
 * The greyscale images of an IDX file, `[height, width, 1]` in [−1, 1], with the labels of another: MNIST,
 * Fashion-MNIST and their kin as their authors publish them.
 *
 * @throws DataError, one sentence that names the file, where one cannot be read, is damaged or of another kind, or the
 * labels do not fit the images or the classes.
 */
export async function idx({ images, labels, classes }: IdxFiles): Promise<Dataset> {
  const files = {
    images: await readIdx(images),
    labels: labels === undefined ? undefined : await readIdx(labels),
  };
  const fingerprint = async (): Promise<string> => {
    const hash = createHash('sha256').update(files.images.bytes);
    return (files.labels === undefined ? hash : hash.update(files.labels.bytes)).digest('hex');
  };
  return { ...fromIdx({ ...files, classes }), fingerprint };
}

/**
 * The classes that `idx` gives to the labels in a file: those of the training labels are the `classes` of test images, among
 * which some may be missing.
 * @throws DataError, one sentence that names the file, where it cannot be read or holds no labels.
 */
export async function idxClasses(path: string): Promise<IdxClasses> {
  return usualClasses(await readIdx(path));
}

async function readIdx(path: string): Promise<NamedBytes> {
  const bytes = await readBytes(path);
  const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
  return { name: path, bytes: isGzip ? gunzipIdx(path, bytes) : bytes };
}

// Deflate cannot do better than 1032:1.
const BEST_RATIO = 1032;
// Compressed bytes that surely hold the header of a few dimensions.
const BEGINNING = 4096;

/** Inflates the header first, so that no more is allocated than an honest file of this kind takes. */
function gunzipIdx(name: string, compressed: Uint8Array): Uint8Array {
  const head = inflate(name, compressed.subarray(0, BEGINNING), { finishFlush: constants.Z_SYNC_FLUSH });
  const { shape, length } = parseIdxHeader({ name, bytes: head });
  if (length > BEST_RATIO * compressed.length) {
    throw new DataError(
      `${name} claims ${shape.join('×')} in its header, more than ${compressed.length} compressed bytes can hold`,
    );
  }
  return inflate(name, compressed, { maxOutputLength: length });
}

function inflate(name: string, bytes: Uint8Array, options: Parameters<typeof gunzipSync>[1]): Uint8Array {
  try {
    return gunzipSync(bytes, options);
  } catch (cause) {
    const tooMuch = cause instanceof Error && 'code' in cause && cause.code === 'ERR_BUFFER_TOO_LARGE';
    throw new DataError(
      tooMuch
        ? `${name} goes on after its end: it inflates to more bytes than its header says`
        : `${name} is damaged: it cannot be decompressed (${(cause as Error).message})`,
      { cause },
    );
  }
}
