import { binary as plain } from '#binary';
import { binary as fused } from '#fused-binary';
import { expect, it } from 'vitest';
import { hasFusedProducts } from '../src/fused.js';

it('finds relaxed SIMD in every Node that we run on', () => {
  expect(hasFusedProducts()).toBe(true);
  expect(WebAssembly.validate(fused)).toBe(true);
});

it('an engine that fails the probe gets a build without any of it', () => {
  // f32x4.relaxed_madd and relaxed_nmadd are 0xfd 0x85 0x02 and 0xfd 0x86 0x02.
  const relaxed = /\u00fd[\u0085\u0086]\u0002/;
  const text = (bytes: Uint8Array): string => String.fromCharCode(...bytes);
  expect(text(fused)).toMatch(relaxed);
  expect(text(plain)).not.toMatch(relaxed);
});
