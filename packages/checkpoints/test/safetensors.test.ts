import { readFileSync } from 'node:fs';
import { goldenPath } from '@diffusion-ts/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CheckpointError, type RawTensor, readSafetensors, writeSafetensors } from '../src/index.js';

/** A file with any header, well-formed or not. */
function file(header: unknown, dataBytes = 0, length?: bigint): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

const F32 = (shape: unknown, offsets: unknown) => ({ dtype: 'F32', shape, data_offsets: offsets });
const bits = (...words: number[]) => new Float32Array(Uint32Array.from(words).buffer);

const one: Record<string, RawTensor> = {
  halves: { dtype: 'F16', shape: [3], data: Uint16Array.of(0x3c00, 0xfc00, 0x7e01) },
  'unet.α.weight': { dtype: 'F32', shape: [1, 2], data: Float32Array.of(-0, 1e-45) },
  brains: { dtype: 'BF16', shape: [1], data: Uint16Array.of(0x3f80) },
  whole: { dtype: 'I64', shape: [2], data: BigInt64Array.of(2n ** 63n - 1n, -(2n ** 53n) - 1n) },
  counts: { dtype: 'I32', shape: [], data: Int32Array.of(-7) },
  nothing: { dtype: 'F32', shape: [0, 4], data: new Float32Array() },
};

it('reads back what it wrote, in the same order, with its metadata', () => {
  const read = readSafetensors(writeSafetensors(one, { format: 'pt', step: '7' }));
  expect(read).toEqual({ tensors: one, metadata: { format: 'pt', step: '7' } });
  expect(Object.keys(read.tensors)).toEqual(Object.keys(one));
});

it('NaN payloads, -0, denormals and infinities keep their bits', () => {
  const data = bits(
    0x7fc00001,
    0x7f800001,
    0xffffffff,
    0x80000000,
    0x00000001,
    0x807fffff,
    0x7f800000,
    0xff800000,
  );
  const { tensors } = readSafetensors(writeSafetensors({ x: { dtype: 'F32', shape: [8], data } }));
  expect(new Uint32Array(tensors.x!.data.buffer)).toEqual(new Uint32Array(data.buffer));
});

it('the data begins at a multiple of 8 and every tensor at a multiple of its width', () => {
  const bytes = writeSafetensors(one);
  const headerEnd = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, headerEnd)));
  expect(headerEnd % 8).toBe(0);
  for (const [name, { data }] of Object.entries(one)) {
    expect(header[name].data_offsets[0] % data.BYTES_PER_ELEMENT, name).toBe(0);
  }
});

it('the bytes are those of the format, written out by hand', () => {
  const json = '{"b":{"dtype":"I32","shape":[2],"data_offsets":[0,8]}}';
  const hand = file(json.padEnd(56), 8);
  hand.set([1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], 64);
  expect(writeSafetensors({ b: { dtype: 'I32', shape: [2], data: Int32Array.of(1, -1) } })).toEqual(hand);
});

it('an unchanged file that PyTorch wrote is written back byte for byte', () => {
  const bytes = readFileSync(goldenPath('unet-class-conditional/diffusion_pytorch_model.safetensors'));
  const { tensors, metadata } = readSafetensors(bytes);
  expect(Buffer.compare(writeSafetensors(tensors, metadata), bytes)).toBe(0);
});

it('tensors own their data, wherever in a buffer the file lies', () => {
  const bytes = writeSafetensors(one);
  const shifted = Buffer.concat([Buffer.from([9]), bytes]).subarray(1);
  const { tensors } = readSafetensors(shifted);
  shifted.fill(0xff);
  expect(tensors).toEqual(one);
});

it('any tensors survive the way there and back', () => {
  const tensor: fc.Arbitrary<RawTensor> = fc.oneof(
    fc.float32Array().map((data): RawTensor => ({ dtype: 'F32', shape: [data.length, 1], data })),
    fc.uint16Array().map((data): RawTensor => ({ dtype: 'BF16', shape: [data.length], data })),
    fc.int32Array().map((data): RawTensor => ({ dtype: 'I32', shape: [1, data.length], data })),
    fc.bigInt64Array().map((data): RawTensor => ({ dtype: 'I64', shape: [data.length], data })),
  );
  const name = fc.string({ unit: 'binary' }).filter((text) => !(text in {}) && text !== '__metadata__');
  fc.assert(
    fc.property(fc.dictionary(name, tensor, { noNullPrototype: true }), (tensors) => {
      expect(readSafetensors(writeSafetensors(tensors)).tensors).toEqual(tensors);
    }),
  );
});

describe('a hostile file is refused in one sentence:', () => {
  const cases: [string, Uint8Array, string][] = [
    ['no bytes', new Uint8Array(), '0 bytes are too few for a safetensors file'],
    [
      'a header longer than the file',
      file({}, 0, 3n),
      'the header is said to have 3 bytes, but only 2 follow',
    ],
    [
      'a header of 2⁶⁴ − 1 bytes',
      file({}, 0, 2n ** 64n - 1n),
      'the header is said to have 18446744073709551615 bytes, but only 2 follow',
    ],
    [
      'a header of 100 MB and one byte',
      file('{}', 100_000_000, 100_000_001n),
      'the header has 100000001 bytes, more than the 100000000 that are allowed',
    ],
    ['an empty header', file('', 0), 'the header does not begin with {'],
    ['a header that is a list', file('[]'), 'the header does not begin with {'],
    ['a byte order mark', file('\ufeff{}'), 'the header does not begin with {'],
    ['a header cut short', file('{"a":'), 'the header is not JSON'],
    ['two objects', file('{}{}'), 'the header is not JSON'],
    ['bytes that are not UTF-8', file({ a: F32([1], [0, 4]) }, 4).with(10, 0xff), 'the header is not JSON'],
    ['nesting without end', file(`{"a":${'['.repeat(200_000)}`), 'the header is not JSON'],
    [
      'a tensor named twice',
      file(
        '{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"\\u0061":{"dtype":"F32","shape":[0],"data_offsets":[4,4]}}',
        4,
      ),
      'the header has the key "a" twice',
    ],
    ['a shape given twice', file('{"a":{"shape":[9],"shape":[0]}}'), 'the header has the key "shape" twice'],
    ['__proto__', file('{"__proto__":{}}'), 'the tensor name "__proto__" is not allowed'],
    [
      'constructor',
      file({ constructor: F32([1], [0, 4]) }, 4),
      'the tensor name "constructor" is not allowed',
    ],
    [
      '__proto__ in the metadata',
      file('{"__metadata__":{"__proto__":"x"}}'),
      'the metadata key "__proto__" is not allowed',
    ],
    ['metadata that is a list', file({ __metadata__: [] }), '__metadata__ must be an object of strings'],
    ['metadata that is null', file({ __metadata__: null }), '__metadata__ must be an object of strings'],
    ['metadata with a number', file({ __metadata__: { step: 1 } }), 'the metadata "step" must be a string'],
    ['an entry that is not an object', file({ a: 7 }), 'tensor "a": its entry must be an object'],
    ['an entry that is null', file({ a: null }), 'tensor "a": its entry must be an object'],
    ['no dtype', file({ a: {} }), 'tensor "a": dtype must be one of F32, F16, BF16, I32, I64, not undefined'],
    [
      'a dtype that objects inherit',
      file({ a: { ...F32([], [0, 4]), dtype: 'toString' } }, 4),
      'tensor "a": dtype must be one of F32, F16, BF16, I32, I64, not "toString"',
    ],
    [
      'a negative dimension',
      file({ a: F32([-1, -1], [0, 4]) }, 4),
      'tensor "a": shape must be a list of whole numbers',
    ],
    [
      'a fractional dimension',
      file({ a: F32([0.5, 2], [0, 4]) }, 4),
      'tensor "a": shape must be a list of whole numbers',
    ],
    [
      'a dimension of 1e400',
      file('{"a":{"dtype":"F32","shape":[1e400],"data_offsets":[0,4]}}', 4),
      'tensor "a": shape must be a list of whole numbers',
    ],
    [
      'a shape that is a string',
      file({ a: F32('4', [0, 4]) }, 4),
      'tensor "a": shape must be a list of whole numbers',
    ],
    [
      'a product that overflows',
      file({ a: F32([2 ** 40, 2 ** 40, 2 ** 40], [0, 4]) }, 4),
      'tensor "a": shape [1099511627776,1099511627776,1099511627776] has too many elements',
    ],
    [
      'a product that overflows and is multiplied by zero',
      file({ a: F32([2 ** 40, 2 ** 40, 0], [0, 0]) }),
      'tensor "a": shape [1099511627776,1099511627776,0] has too many elements',
    ],
    [
      'more bytes than the shape needs',
      file({ a: F32([1], [0, 8]) }, 8),
      'tensor "a": F32 of shape [1] needs 4 bytes, but data_offsets are [0, 8]',
    ],
    [
      'offsets that go backwards',
      file({ a: F32([1], [4, 0]) }, 4),
      'tensor "a": F32 of shape [1] needs 4 bytes, but data_offsets are [4, 0]',
    ],
    [
      'negative offsets',
      file({ a: F32([1], [-4, 0]) }, 4),
      'tensor "a": data_offsets must be two whole numbers',
    ],
    [
      'three offsets',
      file({ a: F32([1], [0, 4, 4]) }, 4),
      'tensor "a": data_offsets must be two whole numbers',
    ],
    [
      'offsets beyond the file',
      file({ a: F32([2], [0, 8]) }, 4),
      'the tensors need 8 bytes of data, but the file has 4',
    ],
    [
      'bytes that no tensor claims',
      file({ a: F32([1], [0, 4]) }, 5),
      'the tensors need 4 bytes of data, but the file has 5',
    ],
    [
      'overlapping tensors',
      file({ a: F32([2], [0, 8]), b: F32([2], [4, 12]) }, 12),
      'tensor "b" begins at byte 4 and overlaps the one before it, which ends at 8',
    ],
    [
      'two tensors in the same place',
      file({ a: F32([1], [0, 4]), b: F32([1], [0, 4]) }, 4),
      'tensor "b" begins at byte 0 and overlaps the one before it, which ends at 4',
    ],
    [
      'a gap',
      file({ a: F32([1], [0, 4]), b: F32([1], [8, 12]) }, 12),
      'tensor "b" begins at byte 8 and leaves a gap after the one before it, which ends at 4',
    ],
    [
      'a gap at the start',
      file({ a: F32([1], [4, 8]) }, 8),
      'tensor "a" begins at byte 4 and leaves a gap after the one before it, which ends at 0',
    ],
    [
      'a huge name',
      file({ ['x'.repeat(1001)]: F32([1], [0, 4]) }, 4),
      `the tensor name "${'x'.repeat(79)}… has 1001 characters, more than 1000`,
    ],
    [
      'too many tensors',
      file(`{${Array.from({ length: 100_001 }, (_, i) => `"${i}":0`)}}`),
      'the file lists more than 100000 tensors',
    ],
    [
      'too many tensors, before it is known whether the rest is JSON',
      file(`{${Array.from({ length: 100_002 }, (_, i) => `"${i}":0`)}`),
      'the file lists more than 100000 tensors',
    ],
    [
      'a shape or metadata without end, before they are made',
      file(`{"a":{"shape":[${'1,'.repeat(2_000_001)}`),
      'the header holds more than 2000000 values',
    ],
  ];
  for (const [what, bytes, message] of cases) {
    it(what, () => expect(() => readSafetensors(bytes)).toThrow(new CheckpointError(message)));
  }
});

it('a file cut short anywhere is refused', () => {
  const bytes = writeSafetensors(one, { format: 'pt' });
  for (let length = 0; length < bytes.length; length++) {
    expect(() => readSafetensors(bytes.subarray(0, length)), `${length} bytes`).toThrow(CheckpointError);
  }
});

it('a file changed at random is read or refused, and never anything else', () => {
  const bytes = writeSafetensors(one, { format: 'pt' });
  const position = fc.nat(bytes.length - 1);
  const edit = fc.oneof(
    fc.tuple(position, fc.nat(255)).map(([at, value]) => ({ at, drop: 1, put: [value] })),
    fc.tuple(position, fc.nat(9)).map(([at, drop]) => ({ at, drop, put: [] as number[] })),
    fc
      .tuple(position, fc.constantFrom('9', '-', '.', 'e9', '[', ']', '{', '}', '"', '\\', ',', ':', 'null'))
      .map(([at, text]) => ({ at, drop: 1, put: Array.from(new TextEncoder().encode(text)) })),
  );
  let refused = 0;
  const edits = fc.array(edit, { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(edits, (changes) => {
      let changed = Array.from(bytes);
      for (const { at, drop, put } of changes) changed = changed.toSpliced(at, drop, ...put);
      try {
        readSafetensors(Uint8Array.from(changed));
      } catch (error) {
        expect(error).toBeInstanceOf(CheckpointError);
        refused += 1;
      }
    }),
    { numRuns: 2000 },
  );
  expect(refused).toBeGreaterThan(1000);
});

it('a file with any JSON for a header is read or refused, and never anything else', () => {
  const value = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom('F32', 'I64', [0, 4], [4, 8], [1], [2, -1], 2 ** 53),
  );
  const entry = fc.record({ dtype: value, shape: value, data_offsets: value }, { requiredKeys: [] });
  const name = fc.oneof(fc.string(), fc.constantFrom('__metadata__', '__proto__', 'toString'));
  fc.assert(
    fc.property(fc.dictionary(name, fc.oneof(entry, value)), fc.nat(12), (header, dataBytes) => {
      try {
        readSafetensors(file(header, dataBytes));
      } catch (error) {
        expect(error).toBeInstanceOf(CheckpointError);
      }
    }),
    { numRuns: 1000 },
  );
});

describe('tensors that no file can hold are refused:', () => {
  const data = Float32Array.of(1);
  const cases: [string, () => unknown, string][] = [
    [
      'a shape of another size',
      () => writeSafetensors({ a: { dtype: 'F32', shape: [2], data } }),
      'tensor "a": shape [2] does not describe 1 elements',
    ],
    [
      'an array of another type',
      () => writeSafetensors({ a: { dtype: 'I32', shape: [1], data } as never }),
      'tensor "a": its data is not what dtype "I32" asks for',
    ],
    [
      'an unknown dtype',
      () => writeSafetensors({ a: { dtype: 'F64', shape: [1], data } as never }),
      'tensor "a": its data is not what dtype "F64" asks for',
    ],
    [
      'the name of the metadata',
      () => writeSafetensors({ __metadata__: { dtype: 'F32', shape: [1], data } }),
      'the tensor name "__metadata__" is not allowed',
    ],
    [
      'the name of a prototype',
      () => writeSafetensors({ valueOf: { dtype: 'F32', shape: [1], data } as RawTensor }),
      'the tensor name "valueOf" is not allowed',
    ],
    [
      'metadata that is not text',
      () => writeSafetensors({}, { step: 1 as never }),
      'the metadata "step" must be a string',
    ],
  ];
  for (const [what, write, message] of cases) {
    it(what, () => expect(write).toThrow(new CheckpointError(message)));
  }
});
