// The numbers of `tensor`'s rng, bit for bit: the same integer operations, and the same IEEE operations in the same order.

import { F } from './vector';

const LN2: f64 = 0.6931471805599453;
const SQRT2: f64 = 1.4142135623730951;
const QUARTER_TURN: f64 = 1.5707963267948966 / 1073741824.0;

// One block of Philox.
let word0: u32 = 0;
let word1: u32 = 0;
let word2: u32 = 0;
let word3: u32 = 0;

/** Philox 4×32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"). */
function philox(c0: u32, c1: u32, c2: u32, c3: u32, k0: u32, k1: u32): void {
  for (let round = 0; round < 10; round++) {
    const product0 = <u64>c0 * 0xd2511f53;
    const product1 = <u64>c2 * 0xcd9e8d57;
    c0 = <u32>(product1 >> 32) ^ c1 ^ k0;
    c1 = <u32>product1;
    c2 = <u32>(product0 >> 32) ^ c3 ^ k1;
    c3 = <u32>product0;
    k0 += 0x9e3779b9;
    k1 += 0xbb67ae85;
  }
  word0 = c0;
  word1 = c1;
  word2 = c2;
  word3 = c3;
}

/** ln((word + 1) / 2³²). */
function logOfWord(word: u32): f64 {
  const n = <f64>word + 1;
  let exponent = word === 0xffffffff ? 32 : 31 - <i32>clz<u32>(word + 1);
  let mantissa = n / <f64>(<u64>1 << exponent);
  if (mantissa > SQRT2) {
    mantissa /= 2;
    exponent += 1;
  }
  const s = (mantissa - 1) / (mantissa + 1);
  const q = s * s;
  const series =
    1 +
    q * (1.0 / 3 + q * (1.0 / 5 + q * (1.0 / 7 + q * (1.0 / 9 + q * (1.0 / 11 + q * (1.0 / 13 + q * (1.0 / 15)))))));
  return <f64>(exponent - 32) * LN2 + 2 * s * series;
}

function sine(x: f64): f64 {
  const q = x * x;
  return (
    x *
    (1 +
      q *
        (-1.0 / 6 +
          q * (1.0 / 120 + q * (-1.0 / 5040 + q * (1.0 / 362880 + q * (-1.0 / 39916800 + q * (1.0 / 6227020800)))))))
  );
}

function cosine(x: f64): f64 {
  const q = x * x;
  return (
    1 +
    q *
      (-1.0 / 2 +
        q *
          (1.0 / 24 +
            q *
              (-1.0 / 720 +
                q * (1.0 / 40320 + q * (-1.0 / 3628800 + q * (1.0 / 479001600 + q * (-1.0 / 87178291200)))))))
  );
}

/** Two normal numbers from two words (Box and Muller 1958); writes the first `count` of them. */
function boxMuller(to: usize, a: u32, b: u32, count: usize): void {
  const radius = Math.sqrt(-2 * logOfWord(a));
  const quadrant = (b + 0x20000000) >> 30;
  const angle = <f64>(<i32>(b - quadrant * 0x40000000)) * QUARTER_TURN;
  const c = radius * cosine(angle);
  const s = radius * sine(angle);
  f32.store(to, <f32>(quadrant === 0 ? c : quadrant === 1 ? -s : quadrant === 2 ? -c : s));
  if (count > 1) f32.store(to + F, <f32>(quadrant === 0 ? s : quadrant === 1 ? c : quadrant === 2 ? -s : -c));
}

/** Standard normal numbers; every row is a stream of its own. */
export function normal(to: usize, rows: u32, columns: usize, firstRow: u32, draw: u32, k0: u32, k1: u32): void {
  for (let row: u32 = 0; row < rows; row++) {
    for (let column: usize = 0; column < columns; column += 4) {
      philox(<u32>(column / 4), firstRow + row, draw, 0, k0, k1);
      const at = to + column * F;
      boxMuller(at, word0, word1, columns - column);
      if (columns - column > 2) boxMuller(at + 2 * F, word2, word3, columns - column - 2);
    }
    to += columns * F;
  }
}

/** Uniform numbers in [0, 1), multiples of 2⁻²⁴. */
export function uniform(to: usize, rows: u32, columns: usize, firstRow: u32, draw: u32, k0: u32, k1: u32): void {
  for (let row: u32 = 0; row < rows; row++) {
    for (let column: usize = 0; column < columns; column += 4) {
      philox(<u32>(column / 4), firstRow + row, draw, 0, k0, k1);
      const at = to + column * F;
      f32.store(at, fraction(word0));
      if (columns - column > 1) f32.store(at + F, fraction(word1));
      if (columns - column > 2) f32.store(at + 2 * F, fraction(word2));
      if (columns - column > 3) f32.store(at + 3 * F, fraction(word3));
    }
    to += columns * F;
  }
}

@inline
function fraction(word: u32): f32 {
  return <f32>(word >> 8) * <f32>(1.0 / 16777216.0);
}
