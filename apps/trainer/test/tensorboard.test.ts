import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventWriter, maskedCrc } from '../src/run/tensorboard.js';
import { folder } from './folder.js';

/** The payloads of a TFRecord file, each checked against both of its checksums. */
function records(bytes: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    expect(bytes.subarray(at + 8, at + 12)).toEqual(maskedCrc(bytes.subarray(at, at + 8)));
    const data = bytes.subarray(at + 12, at + 12 + length);
    expect(bytes.subarray(at + 12 + length, at + 16 + length)).toEqual(maskedCrc(data));
    found.push(data);
    at += 16 + length;
  }
  return found;
}

function eventsIn(path: string): Buffer[] {
  const [name] = readdirSync(path);
  expect(name).toMatch(/^events\.out\.tfevents\.\d+\./);
  // Each event starts with its wall time: tag 0x09 and eight bytes.
  return records(readFileSync(join(path, name!))).map((record) => {
    expect(record[0]).toBe(0x09);
    return record.subarray(9);
  });
}

describe('TensorBoard events', () => {
  it('mask the CRC-32C, whose published check value for 123456789 is e3069283', () => {
    // ((crc >>> 15 | crc << 17) + a282ead8) mod 2³², worked out by hand.
    expect(maskedCrc(Buffer.from('123456789')).readUInt32LE()).toBe(0xc78ab0e5);
  });

  it('start with the version of the format and hold a scalar with tag, step and value', () => {
    const path = folder();
    eventWriter(path, 1).scalar('loss', 300, 0.5);
    const [version, scalar] = eventsIn(path);
    expect(version!.toString('latin1')).toBe('\x10\x00\x1a\x0dbrain.Event:2');
    const value = '\x0a\x04loss\x15\x00\x00\x00\x3f';
    expect(scalar!.toString('latin1')).toBe(`\x10\xac\x02\x2a\x0d\x0a\x0b${value}`);
  });

  it('hold an image with its size and its PNG bytes', () => {
    const path = folder();
    eventWriter(path, 1).image('samples', 1, { png: Buffer.from('PNG!'), width: 3, height: 2 });
    expect(eventsIn(path)[1]!.toString('latin1')).toContain('\x22\x0c\x08\x02\x10\x03\x18\x03\x22\x04PNG!');
  });

  it('tell TensorBoard to forget later steps when a run resumes', () => {
    const path = folder();
    eventWriter(path, 201);
    expect(eventsIn(path)[1]!.toString('latin1')).toBe('\x10\xc9\x01\x3a\x02\x08\x01');
  });
});
