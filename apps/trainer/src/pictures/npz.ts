import { zipSync } from 'fflate';

/** An array of NumPy: its numbers, row-major, and its shape. */
export interface NpyArray {
  readonly shape: readonly number[];
  readonly values: Float32Array | Int32Array | Float64Array;
}

/** A file that `numpy.load` reads: arrays by name (numpy.lib.format, version 1.0, in a zip). */
export function npz(arrays: Readonly<Record<string, NpyArray>>): Uint8Array {
  const files = Object.entries(arrays).map(([name, array]) => [`${name}.npy`, npy(array)]);
  // Noise and float32 do not compress: packing them costs minutes and saves a tenth.
  return zipSync(Object.fromEntries(files), { level: 0 });
}

function npy({ shape, values }: NpyArray): Uint8Array {
  const type = values instanceof Int32Array ? '<i4' : `<f${values.BYTES_PER_ELEMENT}`;
  const tuple = `(${shape.join(', ')}${shape.length === 1 ? ',' : ''})`;
  const header = `{'descr': '${type}', 'fortran_order': False, 'shape': ${tuple}, }`;
  // Magic, version and the length of the header are 10 bytes; the numbers begin at a multiple of 64.
  const padded = header.padEnd(Math.ceil((10 + header.length + 1) / 64) * 64 - 11, ' ');
  const bytes = Buffer.alloc(10 + padded.length + 1);
  bytes.write(`\x93NUMPY\x01\x00`, 'latin1');
  bytes.writeUInt16LE(padded.length + 1, 8);
  bytes.write(`${padded}\n`, 10, 'latin1');
  return Buffer.concat([bytes, Buffer.from(values.buffer, values.byteOffset, values.byteLength)]);
}
