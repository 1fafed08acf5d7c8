// What touches every number once.

import { BIASED, constantTable, EVEN, GREATEST, LEAST, MINUS_LOG2E, ODD, ONE } from './constants';
import { sigmoid4, siluSlope4 } from './math';
import { accumulate, clear, copy, F, least, load, loadPart, store, storePart, V } from './vector';

/** y = x σ(x). */
export function silu(x: usize, y: usize, count: usize): void {
  const k = constantTable();
  const rate = v128.load(k, MINUS_LOG2E);
  const greatest = v128.load(k, GREATEST);
  const smallest = v128.load(k, LEAST);
  const biased = v128.load(k, BIASED);
  const even = v128.load(k, EVEN);
  const odd = v128.load(k, ODD);
  for (let i: usize = 0; i < count; i += 4) {
    const v = load(x + i * F, count - i);
    store(y + i * F, f32x4.mul(v, sigmoid4(v, rate, greatest, smallest, biased, even, odd)), count - i);
  }
}

/** dx = dy σ(x) (1 + x (1 − σ(x))). */
export function siluGradient(dy: usize, x: usize, dx: usize, count: usize): void {
  const k = constantTable();
  const rate = v128.load(k, MINUS_LOG2E);
  const greatest = v128.load(k, GREATEST);
  const smallest = v128.load(k, LEAST);
  const biased = v128.load(k, BIASED);
  const even = v128.load(k, EVEN);
  const odd = v128.load(k, ODD);
  const one = v128.load(k, ONE);
  for (let i: usize = 0; i < count; i += 4) {
    const v = load(x + i * F, count - i);
    const slope = siluSlope4(v, sigmoid4(v, rate, greatest, smallest, biased, even, odd), one);
    store(dx + i * F, f32x4.mul(load(dy + i * F, count - i), slope), count - i);
  }
}

/** The sum of the rows of x[rows][columns], in blocks so that rounding does not add up; `part` is one row of scratch. */
export function sumRows(x: usize, rows: usize, columns: usize, sum: usize, part: usize): void {
  clear(sum, columns);
  for (let first: usize = 0; first < rows; first += 128) {
    const end = least(first + 128, rows);
    clear(part, columns);
    for (let i = first; i < end; i++) accumulate(part, x + i * columns * F, columns);
    accumulate(sum, part, columns);
  }
}

/** Every pixel of x[rows][width][channels] becomes factor × factor pixels. */
export function upsample(
  x: usize,
  y: usize,
  rows: usize,
  width: usize,
  channels: usize,
  factor: usize,
): void {
  const line = width * factor * channels;
  for (let i: usize = 0; i < rows; i++) {
    const first = y;
    for (let j: usize = 0; j < width; j++) {
      for (let k: usize = 0; k < factor; k++) {
        copy(y, x, channels);
        y += channels * F;
      }
      x += channels * F;
    }
    for (let k: usize = 1; k < factor; k++) {
      copy(y, first, line);
      y += line * F;
    }
  }
}

/** The transpose of `upsample`: sums over blocks of factor × factor pixels of dy. */
export function upsampleGradient(
  dy: usize,
  dx: usize,
  rows: usize,
  width: usize,
  channels: usize,
  factor: usize,
): void {
  const line = width * factor * channels * F;
  for (let i: usize = 0; i < rows; i++) {
    for (let j: usize = 0; j < width; j++) {
      const from = dy + j * factor * channels * F;
      for (let c: usize = 0; c < channels; c += 4) {
        const rest = channels - c;
        let sum = f32x4.splat(0);
        for (let ky: usize = 0; ky < factor; ky++) {
          for (let kx: usize = 0; kx < factor; kx++) {
            sum = f32x4.add(sum, load(from + ky * line + (kx * channels + c) * F, rest));
          }
        }
        store(dx + c * F, sum, rest);
      }
      dx += channels * F;
    }
    dy += factor * line;
  }
}

/** Copies `rows` rows of `count` floats between matrices of different row lengths (in bytes). */
export function copyRows(
  to: usize,
  toStride: usize,
  from: usize,
  fromStride: usize,
  rows: usize,
  count: usize,
): void {
  for (let i: usize = 0; i < rows; i++) {
    copy(to, from, count);
    to += toStride;
    from += fromStride;
  }
}

/** y = a + b, elementwise. */
export function add(a: usize, b: usize, y: usize, count: usize): void {
  const whole = y + (count & ~3) * F;
  for (; y < whole; y += V, a += V, b += V) v128.store(y, f32x4.add(v128.load(a), v128.load(b)));
  const rest = count & 3;
  if (rest) storePart(y, f32x4.add(loadPart(a, rest), loadPart(b, rest)), rest);
}

/** x becomes max(x, 0), in place. */
export function relu(x: usize, count: usize): void {
  for (let i: usize = 0; i < count; i += 4) {
    store(x + i * F, f32x4.max(load(x + i * F, count - i), f32x4.splat(0)), count - i);
  }
}

/** y[rows][columns] = x + row, the same row for all. */
export function addRow(x: usize, row: usize, y: usize, rows: usize, columns: usize): void {
  for (let i: usize = 0; i < rows; i++) {
    add(x, row, y, columns);
    x += columns * F;
    y += columns * F;
  }
}
