import { DataError } from './data-error.js';
import type { Dataset } from './dataset.js';
import { fromArrays } from './from-arrays.js';
import { labelProblem } from './labels.js';

/** The bytes of a file, and the name that errors call it by. */
export interface NamedBytes {
  /** Such as its path. */
  readonly name: string;
  /** The whole file, not compressed. */
  readonly bytes: Uint8Array;
}

const UNSIGNED_BYTE = 0x08;

/** What the header of an IDX file says: the shape, and how many bytes the whole file then has. */
export interface IdxHeader {
  readonly shape: readonly number[];
  readonly length: number;
}

/**
 * The header of an IDX file, the format of MNIST: two zero bytes, the element type, the number of dimensions, and each
 * dimension as a big-endian 32-bit integer. Nothing of the size that it claims is allocated.
 *
 * @throws DataError where the file is no IDX file of unsigned bytes or ends within its header.
 */
export function parseIdxHeader({ name, bytes }: NamedBytes): IdxHeader {
  const start = [...bytes.subarray(0, 4)];
  if (start.length < 4 || start[0] !== 0 || start[1] !== 0 || start[2] !== UNSIGNED_BYTE || start[3] === 0) {
    const found =
      start.length === 0 ? 'nothing' : start.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    throw new DataError(
      `${name} is not an IDX file of bytes: it begins with ${found}, expected 00 00 08 and a number of dimensions`,
    );
  }
  const dimensions = start[3]!;
  const headerLength = 4 + 4 * dimensions;
  if (bytes.length < headerLength) {
    throw new DataError(
      `${name} is truncated: its header of ${dimensions} dimensions takes ${headerLength} bytes, but it has ${bytes.length}`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, headerLength);
  const shape = Array.from({ length: dimensions }, (_, i) => view.getUint32(4 + 4 * i));
  return { shape, length: headerLength + shape.reduce((product, n) => product * n, 1) };
}

/**
 * An IDX file of unsigned bytes: its shape, and its values as a view of the bytes given.
 *
 * @throws DataError where the file is no IDX file of unsigned bytes, is truncated, or holds more than its header says.
 */
export function parseIdx(file: NamedBytes): {
  /** The length of every axis. */
  shape: readonly number[];
  /** The bytes after the header, as many as the shape says. */
  values: Uint8Array;
} {
  const { name, bytes } = file;
  const { shape, length } = parseIdxHeader(file);
  if (bytes.length !== length) {
    const problem = bytes.length < length ? 'is truncated' : 'goes on after its end';
    throw new DataError(
      `${name} ${problem}: its header says ${shape.join('×')}, which takes ${length} bytes, but it has ${bytes.length}`,
    );
  }
  return { shape, values: bytes.subarray(4 + 4 * shape.length) };
}

/** The classes of MNIST. */
export const DIGITS: readonly string[] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];

/**
 * What the labels of an IDX file mean: names, label k being that of `classes[k]`; or the labels that there are, where these do
 * not count from 0 (EMNIST's letters are 1 … 26), label `classes[k]` then becoming k, with its number as its name.
 */
export type IdxClasses = readonly string[] | readonly number[];

/**
 * A dataset from the bytes of an IDX file of greyscale images `[count, height, width]` and, where given, one of their
 * labels `[count]`. Examples are `[height, width, 1]` in [−1, 1].
 *
 * @throws DataError where a file is damaged, is of another kind, or the labels do not fit the images or the classes.
 */
export function fromIdx({
  images,
  labels,
  classes,
}: {
  /** The images, `[count, height, width]`. */
  images: NamedBytes;
  /** Their labels, `[count]`; without them the examples have none. */
  labels?: NamedBytes | undefined;
  /** What the labels mean; default the ten digits where every label is one, and otherwise the labels that there are. */
  classes?: IdxClasses | undefined;
}): Dataset {
  const { shape, values } = parseIdx(images);
  const [count, height, width] = shape;
  if (shape.length !== 3 || values.length === 0) {
    throw new DataError(`${images.name} has the shape ${shape.join('×')}, expected images×height×width`);
  }
  const example = [height!, width!, 1];
  if (labels === undefined) return fromArrays({ values, shape: example });

  const given = labelsOf(labels);
  const known = classes ?? classesOf(given);
  const numbers = known.filter((name) => typeof name === 'number');
  const stranger = numbers.length === 0 ? undefined : given.find((label) => !numbers.includes(label));
  if (stranger !== undefined) {
    throw new DataError(
      `${labels.name} has the label ${stranger}, expected one of the labels ${numbers.join(', ')}`,
    );
  }
  const own = numbers.length === 0 ? given : Int32Array.from(given, (label) => numbers.indexOf(label));
  const problem = labelProblem(own, known.length, count!, `images of ${images.name}`);
  if (problem !== undefined) throw new DataError(`${labels.name} ${problem}`);
  return fromArrays({ values, shape: example, labels: own, classes: known.map(String) });
}

/** @throws DataError where the file does not hold one label after the other. */
function labelsOf(file: NamedBytes): Uint8Array {
  const { shape, values } = parseIdx(file);
  if (shape.length === 1) return values;
  throw new DataError(`${file.name} has the shape ${shape.join('×')}, expected one label for each image`);
}

/** The classes of the labels in a file, where none are given. */
export function usualClasses(file: NamedBytes): IdxClasses {
  return classesOf(labelsOf(file));
}

function classesOf(labels: Uint8Array): IdxClasses {
  if (labels.every((label) => label < DIGITS.length)) return DIGITS;
  return [...new Set(labels)].sort((a, b) => a - b);
}
