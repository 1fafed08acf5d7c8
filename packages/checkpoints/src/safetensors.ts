import { CheckpointError } from './checkpoint-error.js';
import { duplicateKey } from './duplicate-key.js';

/** A tensor as it lies in the file: row-major, F16 and BF16 as their bits. */
export type RawTensor = {
  /** The length of every axis; `[]` of a single number. */
  readonly shape: readonly number[];
} & (
  | Stored<'F32', Float32Array>
  | Stored<'F16' | 'BF16', Uint16Array>
  | Stored<'I32', Int32Array>
  | Stored<'I64', BigInt64Array>
);

interface Stored<D extends string, A> {
  /** What the numbers are in the file. */
  readonly dtype: D;
  /** The numbers, as many as the shape says. */
  readonly data: A;
}

/** The content of a safetensors file. */
export interface Safetensors {
  /** The tensors by their names. */
  readonly tensors: Readonly<Record<string, RawTensor>>;
  /** What the file says of itself; `{}` where it says nothing. */
  readonly metadata: Readonly<Record<string, string>>;
}

const ARRAYS = {
  F32: Float32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I32: Int32Array,
  I64: BigInt64Array,
} as const;
type Dtype = keyof typeof ARRAYS;

const MAX_HEADER_BYTES = 100_000_000;
const MAX_TENSORS = 100_000;
// All that a header holds, tensors of twenty axes and a novel of metadata included.
const MAX_VALUES = 2_000_000;
const MAX_NAME = 1_000;
const METADATA = '__metadata__';

interface Entry {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/**
 * Reads a safetensors file (https://huggingface.co/docs/safetensors): eight bytes of header length, a JSON header, the
 * data. Tensors come in the order of the header and own their data. The whole header is checked before anything is
 * allocated.
 * @throws CheckpointError if the bytes are not a complete, well-formed file of F32, F16, BF16, I32 and I64 tensors.
 * @example
 * const { tensors, metadata } = readSafetensors(bytes);
 * for (const [name, { dtype, shape }] of Object.entries(tensors)) console.log(name, dtype, shape);
 */
export function readSafetensors(bytes: Uint8Array): Safetensors {
  const headerEnd = endOfHeader(bytes);
  const { [METADATA]: metadata = {}, ...listed } = parseHeader(bytes.subarray(8, headerEnd));
  checkMetadata(metadata);
  const names = Object.keys(listed);
  if (names.length > MAX_TENSORS) tooMany();
  const entries = names.map((name) => [name, checkEntry(name, listed[name])] as const);
  checkLayout(entries, bytes.length - headerEnd);
  const tensors = entries.map(([name, { dtype, shape, begin, end }]) => {
    const owned = new Uint8Array(bytes.subarray(headerEnd + begin, headerEnd + end));
    return [name, { dtype, shape, data: new ARRAYS[dtype](owned.buffer) } as RawTensor];
  });
  return { tensors: Object.fromEntries(tensors), metadata };
}

/**
 * Writes a safetensors file. The same tensors and metadata in the same order give the same bytes; the header keeps that
 * order, the data puts wider types first so that every tensor is aligned.
 * @throws CheckpointError if a tensor does not have as many elements as its shape says, or a name cannot be stored.
 * @example
 * const bytes = writeSafetensors({ w: { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) } }, { format: 'pt' });
 */
export function writeSafetensors(
  tensors: Readonly<Record<string, RawTensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const names = Object.keys(tensors);
  if (names.length > MAX_TENSORS)
    throw new CheckpointError(`${names.length} tensors are more than ${MAX_TENSORS}`);
  checkMetadata(metadata);
  for (const name of names) checkRaw(name, tensors[name]!);

  const width = (name: string) => tensors[name]!.data.BYTES_PER_ELEMENT;
  const stored = names.toSorted((a, b) => width(b) - width(a));
  const begins = new Map<string, number>();
  let size = 0;
  for (const name of stored) {
    begins.set(name, size);
    size += tensors[name]!.data.byteLength;
  }

  const listed = names.map((name) => {
    const { dtype, shape, data } = tensors[name]!;
    const begin = begins.get(name)!;
    return [name, { dtype, shape, data_offsets: [begin, begin + data.byteLength] }] as const;
  });
  const described = Object.keys(metadata).length > 0 ? [[METADATA, metadata] as const] : [];
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries([...described, ...listed])));
  const headerEnd = 8 + Math.ceil(json.length / 8) * 8;

  const bytes = new Uint8Array(headerEnd + size);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerEnd - 8), true);
  bytes.fill(0x20, 8, headerEnd);
  bytes.set(json, 8);
  for (const name of stored) {
    const { data } = tensors[name]!;
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), headerEnd + begins.get(name)!);
  }
  return bytes;
}

function endOfHeader(bytes: Uint8Array): number {
  if (bytes.length < 8) throw new CheckpointError(`${bytes.length} bytes are too few for a safetensors file`);
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length > bytes.length - 8) {
    throw new CheckpointError(
      `the header is said to have ${length} bytes, but only ${bytes.length - 8} follow`,
    );
  }
  if (length > MAX_HEADER_BYTES) {
    throw new CheckpointError(
      `the header has ${length} bytes, more than the ${MAX_HEADER_BYTES} that are allowed`,
    );
  }
  return 8 + Number(length);
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  if (bytes[0] !== 0x7b) throw new CheckpointError('the header does not begin with {');
  checkSize(bytes);
  let text: string;
  let header: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    header = JSON.parse(text);
  } catch {
    throw new CheckpointError('the header is not JSON');
  }
  const duplicate = duplicateKey(text);
  if (duplicate !== undefined) throw new CheckpointError(`the header has the key ${quote(duplicate)} twice`);
  return header as Record<string, unknown>;
}

/** Counts what is between the strings, so that a header made to exhaust the memory is never parsed. */
function checkSize(json: Uint8Array): void {
  let depth = 0;
  let values = 0;
  let names = 0;
  for (let i = 0; i < json.length; i++) {
    switch (json[i]) {
      case 0x22: // "
        for (i++; i < json.length && json[i] !== 0x22; i++) if (json[i] === 0x5c) i++;
        break;
      case 0x5b: // [
      case 0x7b: // {
        depth++;
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth--;
        break;
      case 0x2c: // ,
        values++;
        break;
      case 0x3a: // :
        values++;
        if (depth === 1) names++;
    }
    // One more for the metadata.
    if (names > MAX_TENSORS + 1) tooMany();
    if (values > MAX_VALUES) throw new CheckpointError(`the header holds more than ${MAX_VALUES} values`);
  }
}

function tooMany(): never {
  throw new CheckpointError(`the file lists more than ${MAX_TENSORS} tensors`);
}

function checkMetadata(metadata: unknown): asserts metadata is Record<string, string> {
  if (!isObject(metadata)) throw new CheckpointError(`${METADATA} must be an object of strings`);
  for (const [key, value] of Object.entries(metadata)) {
    if (key in Object.prototype) throw new CheckpointError(`the metadata key ${quote(key)} is not allowed`);
    if (typeof value !== 'string') throw new CheckpointError(`the metadata ${quote(key)} must be a string`);
  }
}

function checkName(name: string): void {
  if (name.length > MAX_NAME) {
    throw new CheckpointError(
      `the tensor name ${quote(name)} has ${name.length} characters, more than ${MAX_NAME}`,
    );
  }
  if (name in Object.prototype || name === METADATA) {
    throw new CheckpointError(`the tensor name ${quote(name)} is not allowed`);
  }
}

function checkEntry(name: string, entry: unknown): Entry {
  checkName(name);
  const fail = (why: string): never => {
    throw new CheckpointError(`tensor ${quote(name)}: ${why}`);
  };
  if (!isObject(entry)) return fail('its entry must be an object');
  const { dtype, shape, data_offsets: offsets } = entry;
  if (!isDtype(dtype))
    return fail(`dtype must be one of ${Object.keys(ARRAYS).join(', ')}, not ${quote(dtype)}`);
  if (!isCounts(shape)) return fail('shape must be a list of whole numbers');
  if (!isCounts(offsets) || offsets.length !== 2) return fail('data_offsets must be two whole numbers');
  const [begin, end] = offsets as [number, number];
  const size = elements(shape) * ARRAYS[dtype].BYTES_PER_ELEMENT;
  if (!Number.isSafeInteger(size)) return fail(`shape ${quote(shape)} has too many elements`);
  if (end - begin !== size) {
    return fail(
      `${dtype} of shape ${quote(shape)} needs ${size} bytes, but data_offsets are [${begin}, ${end}]`,
    );
  }
  return { dtype, shape, begin, end };
}

/** The tensors must fill the data exactly: no gap, no overlap, nothing after the last. */
function checkLayout(entries: readonly (readonly [string, Entry])[], dataBytes: number): void {
  let reached = 0;
  const stored = entries.toSorted(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  for (const [name, { begin, end }] of stored) {
    if (begin !== reached) {
      const what = begin < reached ? 'overlaps the one before it' : 'leaves a gap after the one before it';
      throw new CheckpointError(
        `tensor ${quote(name)} begins at byte ${begin} and ${what}, which ends at ${reached}`,
      );
    }
    reached = end;
  }
  if (reached !== dataBytes) {
    throw new CheckpointError(`the tensors need ${reached} bytes of data, but the file has ${dataBytes}`);
  }
}

function checkRaw(name: string, { dtype, shape, data }: RawTensor): void {
  checkName(name);
  if (!isDtype(dtype) || !(data instanceof ARRAYS[dtype])) {
    throw new CheckpointError(`tensor ${quote(name)}: its data is not what dtype ${quote(dtype)} asks for`);
  }
  if (!isCounts(shape) || elements(shape) !== data.length) {
    throw new CheckpointError(
      `tensor ${quote(name)}: shape ${quote(shape)} does not describe ${data.length} elements`,
    );
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isDtype(value: unknown): value is Dtype {
  return typeof value === 'string' && Object.hasOwn(ARRAYS, value);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}

/** The product of a shape; NaN where it, or a part of it, is beyond the safe integers. */
function elements(shape: readonly number[]): number {
  return shape.reduce((product, n) => (Number.isSafeInteger(product * n) ? product * n : Number.NaN), 1);
}

/** What a hostile file says, short enough for a sentence. */
function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? 'undefined';
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
