import fc from 'fast-check';
import { expect, it } from 'vitest';
import { bfloat16ToFloat32, float16ToFloat32, float32ToBfloat16, float32ToFloat16 } from '../src/index.js';

const everyHalf = Uint16Array.from({ length: 65536 }, (_, i) => i);
const half = (x: number) => float32ToFloat16(Float32Array.of(x))[0];
const bfloat = (x: number) => float32ToBfloat16(Float32Array.of(x))[0];

/** The value that the bits of a float with `e` exponent and `m` mantissa bits stand for. */
function meaning(bits: number, e: number, m: number): number {
  const sign = bits >> (e + m) ? -1 : 1;
  const exponent = (bits >> m) & (2 ** e - 1);
  const fraction = (bits & (2 ** m - 1)) / 2 ** m;
  const bias = 2 ** (e - 1) - 1;
  if (exponent === 2 ** e - 1) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * fraction * 2 ** (1 - bias) : sign * (1 + fraction) * 2 ** (exponent - bias);
}

it('every binary16 decodes to the value its bits stand for, and back to the same bits', () => {
  const values = float16ToFloat32(everyHalf);
  expect(Array.from(values)).toEqual(Array.from(everyHalf, (bits) => meaning(bits, 5, 10)));
  expect(float32ToFloat16(values)).toEqual(everyHalf);
});

it('every bfloat16 decodes to the value its bits stand for, and back to the same bits', () => {
  const values = bfloat16ToFloat32(everyHalf);
  expect(Array.from(values)).toEqual(Array.from(everyHalf, (bits) => meaning(bits, 8, 7)));
  expect(float32ToBfloat16(values)).toEqual(everyHalf);
});

it('halfway between two neighbours goes to the even one, and a hair to either side to the nearer', () => {
  const ulp32 = 2 ** -23;
  for (const [encode, decode, last] of [
    [float32ToFloat16, float16ToFloat32, 0x7bff],
    [float32ToBfloat16, bfloat16ToFloat32, 0x7f7f],
  ] as const) {
    const values = decode(everyHalf.slice(0, last + 1));
    // Every midpoint is a float32: even a bfloat16 has only 8 of its 24 bits.
    const middles = Float32Array.from({ length: last }, (_, i) => (values[i]! + values[i + 1]!) / 2);
    const below = encode(middles.map((x) => x * (1 - ulp32)));
    const above = encode(middles.map((x) => x * (1 + ulp32)));
    // A denormal float32 has no room for a hair.
    const normal = middles.findIndex((x) => x >= 2 ** -126);
    expect(encode(middles)).toEqual(everyHalf.slice(0, last).map((i) => (i % 2 === 0 ? i : i + 1)));
    expect(below.slice(normal)).toEqual(everyHalf.slice(normal, last));
    expect(above.slice(normal)).toEqual(everyHalf.slice(normal + 1, last + 1));
  }
});

it('beyond the largest binary16 begins infinity, at 65520', () => {
  expect([65504, 65519.996, 65520, 1e30, -65520].map(half)).toEqual([0x7bff, 0x7bff, 0x7c00, 0x7c00, 0xfc00]);
});

it('beyond the largest bfloat16 begins infinity', () => {
  expect([3.3895313892515355e38, 3.4e38, -3.4028234663852886e38].map(bfloat)).toEqual([
    0x7f7f, 0x7f80, 0xff80,
  ]);
});

it('a NaN whose payload does not fit stays a NaN', () => {
  const nan = new Float32Array(Uint32Array.of(0x7f800001, 0xff800001).buffer);
  expect(Array.from(float32ToFloat16(nan))).toEqual([0x7e00, 0xfe00]);
  expect(Array.from(float32ToBfloat16(nan))).toEqual([0x7fc0, 0xffc0]);
});

it('rounding is monotonic and never moves a number by more than half a unit', () => {
  fc.assert(
    fc.property(fc.float({ min: Math.fround(-65504), max: 65504, noNaN: true }), (x) => {
      const y = float16ToFloat32(float32ToFloat16(Float32Array.of(x)))[0]!;
      expect(Math.abs(y - x)).toBeLessThanOrEqual(Math.max(2 ** -25, Math.abs(x) * 2 ** -11));
    }),
  );
});
