// Work on the bits: a conversion through arithmetic would lose the sign of zero and the payload of a NaN.

/** IEEE 754 binary16 to float32; exact. */
export function float16ToFloat32(halves: Uint16Array): Float32Array {
  return decode(halves, (half) => {
    const sign = (half & 0x8000) << 16;
    const exponent = (half >> 10) & 0x1f;
    const mantissa = half & 0x3ff;
    if (exponent === 0x1f) return sign | 0x7f800000 | (mantissa << 13);
    if (exponent > 0) return sign | ((exponent + 112) << 23) | (mantissa << 13);
    if (mantissa === 0) return sign;
    const shift = Math.clz32(mantissa) - 21;
    return sign | ((113 - shift) << 23) | ((mantissa << (13 + shift)) & 0x7fffff);
  });
}

/** float32 to IEEE 754 binary16, to the nearest with ties to even; from 65520 on to infinity. */
export function float32ToFloat16(values: Float32Array): Uint16Array {
  return encode(values, (bits) => {
    const sign = (bits >>> 16) & 0x8000;
    const magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) return sign | 0x7c00 | ((magnitude >>> 13) & 0x3ff || 0x200);
    if (magnitude >= 0x477ff000) return sign | 0x7c00;
    if (magnitude >= 0x38800000) return sign | shiftToEven(magnitude - 0x38000000, 13);
    const shift = 126 - (magnitude >>> 23);
    return shift > 24 ? sign : sign | shiftToEven((magnitude & 0x7fffff) | 0x800000, shift);
  });
}

/** bfloat16 (the upper half of a float32) to float32; exact. */
export function bfloat16ToFloat32(halves: Uint16Array): Float32Array {
  return decode(halves, (half) => half << 16);
}

/** float32 to bfloat16, to the nearest with ties to even. */
export function float32ToBfloat16(values: Float32Array): Uint16Array {
  return encode(values, (bits) => {
    const magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) return (bits >>> 16) | ((magnitude >>> 16) & 0x7f ? 0 : 0x40);
    return shiftToEven(bits, 16);
  });
}

/** n / 2^shift rounded to the nearest whole number, ties to even. */
function shiftToEven(n: number, shift: number): number {
  const quotient = Math.floor(n / 2 ** shift);
  const remainder = n - quotient * 2 ** shift;
  const half = 2 ** (shift - 1);
  return quotient + (remainder > half || (remainder === half && quotient % 2 === 1) ? 1 : 0);
}

function decode(halves: Uint16Array, bitsOf: (half: number) => number): Float32Array {
  const values = new Float32Array(halves.length);
  const bits = new Uint32Array(values.buffer);
  for (let i = 0; i < bits.length; i++) bits[i] = bitsOf(halves[i]!);
  return values;
}

function encode(values: Float32Array, halfOf: (bits: number) => number): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(bits.length);
  for (let i = 0; i < bits.length; i++) halves[i] = halfOf(bits[i]!);
  return halves;
}
