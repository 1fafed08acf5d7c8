import { expect, it } from 'vitest';
import { binary as plain } from '#binary';
import { binary as fused } from '#fused-binary';
import { hasFusedProducts } from '../src/fused.js';

// f32x4.relaxed_madd and f32x4.relaxed_nmadd.
const MULTIPLY_ADD = Buffer.of(0xfd, 0x85, 0x02);
const NEGATED = Buffer.of(0xfd, 0x86, 0x02);

it('finds relaxed SIMD in every Node that we run on', () => {
  expect(hasFusedProducts()).toBe(true);
  expect(WebAssembly.validate(fused)).toBe(true);
});

it('an engine that fails the probe gets a build without any of it', () => {
  const hasRelaxed = (bytes: Uint8Array): boolean =>
    [MULTIPLY_ADD, NEGATED].some((code) => Buffer.from(bytes).includes(code));
  expect(hasRelaxed(fused)).toBe(true);
  expect(hasRelaxed(plain)).toBe(false);
});
