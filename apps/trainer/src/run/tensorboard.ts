// TensorBoard's event files: TFRecords of protobuf `Event` messages. The one writer on npm is tfjs-node's, which needs
// its native backend and knows no images, so the few fields that matter are written here.

import { appendFileSync } from 'node:fs';
import { join } from 'node:path';

export interface EventWriter {
  scalar(tag: string, step: number, value: number): void;
  image(tag: string, step: number, image: { png: Uint8Array; width: number; height: number }): void;
}

/**
 * Starts an event file in a folder. Where the first step to come is not 1, the run is a resumed one, and TensorBoard is
 * told to forget what older files of the folder say from that step on.
 */
export function eventWriter(folder: string, firstStep: number): EventWriter {
  const file = join(folder, `events.out.tfevents.${Math.floor(Date.now() / 1000)}.${process.pid}.diffusion`);
  const write = (step: number, payload: Buffer) =>
    appendFileSync(file, tfRecord(Buffer.concat([double(1, Date.now() / 1000), varint(2, step), payload])));
  const summary = (tag: string, value: Buffer) =>
    bytes(5, bytes(1, Buffer.concat([bytes(1, Buffer.from(tag)), value])));

  write(0, bytes(3, Buffer.from('brain.Event:2')));
  const SESSION_START = 1;
  if (firstStep > 1) write(firstStep, bytes(7, varint(1, SESSION_START)));
  return {
    scalar: (tag, step, value) => write(step, summary(tag, float(2, value))),
    image: (tag, step, { png, width, height }) =>
      write(
        step,
        summary(
          tag,
          bytes(4, Buffer.concat([varint(1, height), varint(2, width), varint(3, 3), bytes(4, png)])),
        ),
      ),
  };
}

/** A record: its length, the length's checksum, the data, the data's checksum. */
function tfRecord(data: Buffer): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(data.length));
  return Buffer.concat([length, maskedCrc(length), data, maskedCrc(data)]);
}

// Protobuf: each field is (number << 3 | wire type) and its value.
function field(number: number, wireType: 0 | 1 | 2 | 5, value: Uint8Array): Buffer {
  return Buffer.concat([base128(number * 8 + wireType), value]);
}

function varint(number: number, value: number): Buffer {
  return field(number, 0, base128(value));
}

function bytes(number: number, value: Uint8Array): Buffer {
  return field(number, 2, Buffer.concat([base128(value.length), value]));
}

function double(number: number, value: number): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeDoubleLE(value);
  return field(number, 1, buffer);
}

function float(number: number, value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeFloatLE(value);
  return field(number, 5, buffer);
}

function base128(value: number): Buffer {
  const out: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128);
  out.push(rest);
  return Buffer.from(out);
}

// CRC-32C (Castagnoli), reflected, a byte at a time.
const CASTAGNOLI = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** TensorFlow's masked CRC-32C, so that a checksum of data that holds checksums stays sound. */
export function maskedCrc(data: Uint8Array): Buffer {
  let crc = 0xffffffff;
  for (const byte of data) crc = (crc >>> 8) ^ CASTAGNOLI[(crc ^ byte) & 255]!;
  crc = ~crc >>> 0;
  const out = Buffer.alloc(4);
  out.writeUInt32LE((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0);
  return out;
}
