// GroupNorm (Wu and He 2018) with an optional SiLU behind it. An image mostly fits the cache, so it is read twice: once
// for its mean and variance, or for the sums of its gradient, and once for the result.
//
// Rows are joined to lines of many vectors, a whole number of them whatever the number of channels; what is known of
// each column of a line lies in a table, a record for every four columns.

import { BIASED, constantTable, EVEN, GREATEST, LEAST, MINUS_LOG2E, ODD, ONE } from './constants';
import { sigmoid4, siluSlope4 } from './math';
import { clear, copy, F, least, roundUp, V } from './vector';

// The fields of a record, each four floats.
const MEAN: usize = 0;
const FACTOR: usize = 16;
const SHIFT: usize = 32;
const SUM: usize = 48;
const SUM2: usize = 64;
const RECORD: usize = 80;

/** A line has so many floats or more, if the image does. */
const LINE: usize = 128;
/** Lines that are added up in float32 before float64 takes over. */
const BLOCK: usize = 128;
/** Beyond so many variances the square of a missed mean costs the variance more digits than a second pass is worth. */
const FAR: f64 = 16;

/** Columns of a line: whole rows, and whole vectors if there is more than one line. */
function columnsOf(rows: usize, channels: usize): usize {
  let joined = (LINE + channels - 1) / channels;
  while ((joined * channels) & 3) joined++;
  return min(joined, rows) * channels;
}

/** Bytes of scratch for images of rows × channels. */
export function groupNormScratch(rows: usize, channels: usize): usize {
  return tableSize(columnsOf(rows, channels)) + 16 * channels + 3 * V;
}

@inline
function tableSize(columns: usize): usize {
  return (roundUp(columns, 4) / 4) * RECORD;
}

@inline
function column(table: usize, c: usize): usize {
  return table + (c >> 2) * RECORD + (c & 3) * F;
}

/** Gives the columns from `channels` on what those of the first row have. */
function repeat(table: usize, channels: usize, columns: usize): void {
  for (let c = channels; c < columns; c++) {
    const to = column(table, c);
    const from = column(table, c - channels);
    f32.store(to, f32.load(from, MEAN), MEAN);
    f32.store(to, f32.load(from, FACTOR), FACTOR);
    f32.store(to, f32.load(from, SHIFT), SHIFT);
  }
}

/** Adds the sums of every column to the totals of its group of `size` channels, and begins them anew. */
function flush(table: usize, channels: usize, columns: usize, size: usize, totals: usize): void {
  const second = (channels / size) * 8;
  let to = totals;
  let c: usize = 0;
  while (c < columns) {
    let sum: f64 = 0;
    let sum2: f64 = 0;
    for (let i: usize = 0; i < size; i++, c++) {
      const from = column(table, c);
      sum += <f64>f32.load(from, SUM);
      sum2 += <f64>f32.load(from, SUM2);
      f32.store(from, 0, SUM);
      f32.store(from, 0, SUM2);
    }
    f64.store(to, f64.load(to) + sum);
    f64.store(to + second, f64.load(to + second) + sum2);
    to += 8;
    if (to === totals + second) to = totals;
  }
}

/** Σ d and Σ d² of d = x − MEAN over x … end, lines one after the other. */
function addDeviations(x: usize, end: usize, line: usize, table: usize): void {
  while (x < end) {
    const lineEnd = least(x + line, end);
    for (let p = table; x < lineEnd; x += V, p += RECORD) {
      const d = f32x4.sub(v128.load(x), v128.load(p, MEAN));
      v128.store(p, f32x4.add(v128.load(p, SUM), d), SUM);
      v128.store(p, f32x4.add(v128.load(p, SUM2), f32x4.mul(d, d)), SUM2);
    }
  }
}

/** The last 1 … 3 numbers of an image as a vector, with means in the other lanes: what makes no difference to a sum. */
function pad(to: usize, x: usize, count: usize, p: usize): void {
  v128.store(to, v128.load(p, MEAN));
  copy(to, x, count);
}

/** Σ d and Σ d² of d = x − MEAN over an image, for every group: at `totals` in float64, the second behind the first. */
function deviations(
  x: usize, count: usize, channels: usize, groups: usize, columns: usize, means: usize, table: usize, totals: usize,
): void {
  const size = channels / groups;
  for (let c: usize = 0; c < channels; c++) f32.store(column(table, c), f32.load(means + (c / size) * F), MEAN);
  repeat(table, channels, columns);
  memory.fill(totals, 0, 16 * groups);
  const line = columns * F;
  const end = x + (count & ~3) * F;
  for (; x < end; x += BLOCK * line) {
    addDeviations(x, least(x + BLOCK * line, end), line, table);
    flush(table, channels, columns, size, totals);
  }
  if (count & 3) {
    const spare = totals + 16 * channels;
    const p = lastRecord(table, count, columns);
    pad(spare, end, count & 3, p);
    addDeviations(spare, spare + V, line, p);
    flush(table, channels, columns, size, totals);
  }
}

/** The record of the numbers that do not fill the last vector. */
@inline
function lastRecord(table: usize, count: usize, columns: usize): usize {
  return column(table, (count & ~3) % columns);
}

/** Whether a group's mean is so far from what `deviations` took for it that the variance lost digits. */
function isFar(totals: usize, groups: usize, count: f64, epsilon: f64): bool {
  for (let g: usize = 0; g < groups; g++) {
    const missed = f64.load(totals + g * 8) / count;
    const square = f64.load(totals + (groups + g) * 8) / count;
    if (missed * missed > FAR * (square - missed * missed + epsilon)) return true;
  }
  return false;
}

/**
 * y = activation(scale (x − mean) inverseDeviation + offset) for x[n][rows][channels]. `perExample` is the bytes between
 * the rows of scale and offset: 0 if all examples share them.
 */
export function groupNorm(
  x: usize,
  scale: usize,
  offset: usize,
  perExample: usize,
  y: usize,
  means: usize,
  inverses: usize,
  n: usize,
  rows: usize,
  channels: usize,
  groups: usize,
  epsilon: f64,
  silu: bool,
  scratch: usize,
): void {
  const columns = columnsOf(rows, channels);
  const table = scratch;
  const totals = table + tableSize(columns);
  const spare = totals + 16 * channels;
  const line = columns * F;
  const size = channels / groups;
  const count = rows * channels;
  const whole = (count & ~3) * F;
  const rest = count & 3;
  const members = <f64>(rows * size);
  clear(table, tableSize(columns) / F);
  for (let image: usize = 0; image < n; image++) {
    // One pass about the mean of the first row does, where it is not an outlier.
    for (let g: usize = 0; g < groups; g++) {
      let sum: f64 = 0;
      for (let c = g * size; c < (g + 1) * size; c++) sum += <f64>f32.load(x + c * F);
      f32.store(means + g * F, <f32>(sum / <f64>size));
    }
    deviations(x, count, channels, groups, columns, means, table, totals);
    if (isFar(totals, groups, members, epsilon)) {
      for (let g: usize = 0; g < groups; g++) {
        f32.store(means + g * F, <f32>(<f64>f32.load(means + g * F) + f64.load(totals + g * 8) / members));
      }
      deviations(x, count, channels, groups, columns, means, table, totals);
    }
    for (let g: usize = 0; g < groups; g++) {
      const missed = f64.load(totals + g * 8) / members;
      const mean = <f64>f32.load(means + g * F) + missed;
      const variance = f64.load(totals + (groups + g) * 8) / members - missed * missed;
      const rounded = <f32>mean;
      const inverse = 1 / Math.sqrt(variance + epsilon);
      f32.store(means + g * F, rounded);
      f32.store(inverses + g * F, <f32>inverse);
      for (let c = g * size; c < (g + 1) * size; c++) {
        const gain = <f64>f32.load(scale + c * F) * inverse;
        // What float32 loses of the mean matters where that is many deviations from zero.
        const shift = <f64>f32.load(offset + c * F) - (mean - <f64>rounded) * gain;
        const at = column(table, c);
        f32.store(at, rounded, MEAN);
        f32.store(at, <f32>gain, FACTOR);
        f32.store(at, <f32>shift, SHIFT);
      }
    }
    repeat(table, channels, columns);
    normalise(x, x + whole, y, line, table, silu);
    if (rest !== 0) {
      const p = lastRecord(table, count, columns);
      pad(spare, x + whole, rest, p);
      normalise(spare, spare + V, spare, line, p, silu);
      copy(y + whole, spare, rest);
    }
    x += count * F;
    y += count * F;
    means += groups * F;
    inverses += groups * F;
    scale += perExample;
    offset += perExample;
  }
}

@inline
function normalised(x: usize, p: usize): v128 {
  const centred = f32x4.sub(v128.load(x), v128.load(p, MEAN));
  return f32x4.add(f32x4.mul(centred, v128.load(p, FACTOR)), v128.load(p, SHIFT));
}

/** y from x … end, lines one after the other. */
function normalise(x: usize, end: usize, y: usize, line: usize, table: usize, silu: bool): void {
  if (silu) {
    normaliseSilu(x, end, y, line, table);
    return;
  }
  while (x < end) {
    const lineEnd = least(x + line, end);
    for (let p = table; x < lineEnd; x += V, y += V, p += RECORD) {
      v128.store(y, normalised(x, p));
    }
  }
}

function normaliseSilu(x: usize, end: usize, y: usize, line: usize, table: usize): void {
  const k = constantTable();
  const rate = v128.load(k, MINUS_LOG2E);
  const greatest = v128.load(k, GREATEST);
  const smallest = v128.load(k, LEAST);
  const biased = v128.load(k, BIASED);
  const even = v128.load(k, EVEN);
  const odd = v128.load(k, ODD);
  while (x < end) {
    const lineEnd = least(x + line, end);
    for (let p = table; x < lineEnd; x += V, y += V, p += RECORD) {
      const z = normalised(x, p);
      v128.store(y, f32x4.mul(z, sigmoid4(z, rate, greatest, smallest, biased, even, odd)));
    }
  }
}

/** The gradients for x, scale and offset; the latter two have the shape of scale. */
export function groupNormGradient(
  dy: usize,
  x: usize,
  scale: usize,
  offset: usize,
  perExample: usize,
  means: usize,
  inverses: usize,
  dx: usize,
  dscale: usize,
  doffset: usize,
  n: usize,
  rows: usize,
  channels: usize,
  groups: usize,
  silu: bool,
  scratch: usize,
): void {
  const columns = columnsOf(rows, channels);
  const table = scratch;
  const totals = table + tableSize(columns);
  const totals2 = totals + 8 * channels;
  const spare = totals2 + 8 * channels;
  const spareDy = spare + V;
  const spareDx = spareDy + V;
  const line = columns * F;
  const size = channels / groups;
  const count = rows * channels;
  const whole = (count & ~3) * F;
  const rest = count & 3;
  const last = lastRecord(table, count, columns);
  const members = <f64>(rows * size);
  clear(table, tableSize(columns) / F);
  clear(spareDy, 4);
  if (perExample === 0) {
    clear(dscale, channels);
    clear(doffset, channels);
  }
  for (let image: usize = 0; image < n; image++) {
    for (let c: usize = 0; c < channels; c++) {
      const at = column(table, c);
      const inverse = f32.load(inverses + (c / size) * F);
      f32.store(at, f32.load(means + (c / size) * F), MEAN);
      f32.store(at, f32.load(scale + c * F) * inverse, FACTOR);
      f32.store(at, f32.load(offset + c * F), SHIFT);
    }
    repeat(table, channels, columns);
    memory.fill(totals, 0, 16 * channels);
    for (let i: usize = 0; i < whole; i += BLOCK * line) {
      slopes(dy + i, x + i, x + least(i + BLOCK * line, whole), dx + i, line, table, silu);
      flush(table, channels, columns, 1, totals);
    }
    if (rest !== 0) {
      pad(spare, x + whole, rest, last);
      copy(spareDy, dy + whole, rest);
      slopes(spareDy, spare, spareDy, spareDx, line, last, silu);
      copy(dx + whole, spareDx, rest);
      flush(table, channels, columns, 1, totals);
    }
    for (let g: usize = 0; g < groups; g++) {
      const inverse = <f64>f32.load(inverses + g * F);
      // The means over the group of what comes down to x̂ = (x − mean) · inverse, and of that times x̂.
      let mean: f64 = 0;
      let mean2: f64 = 0;
      for (let c = g * size; c < (g + 1) * size; c++) {
        const sum = f64.load(totals + c * 8);
        const sum2 = f64.load(totals2 + c * 8) * inverse;
        const gain = <f64>f32.load(scale + c * F);
        mean += gain * sum;
        mean2 += gain * sum2;
        const at = c * F;
        f32.store(doffset + at, <f32>(perExample === 0 ? <f64>f32.load(doffset + at) + sum : sum));
        f32.store(dscale + at, <f32>(perExample === 0 ? <f64>f32.load(dscale + at) + sum2 : sum2));
      }
      // dx = inverse (gain dz − mean − x̂ mean2), of which gain · inverse · dz is there.
      const factor = <f32>(-inverse * inverse * mean2 / members);
      const shift = <f32>(-inverse * mean / members);
      for (let c = g * size; c < (g + 1) * size; c++) {
        f32.store(column(table, c), factor, FACTOR);
        f32.store(column(table, c), shift, SHIFT);
      }
    }
    repeat(table, channels, columns);
    centre(x, x + whole, dx, line, table);
    if (rest !== 0) {
      centre(spare, spareDy, spareDx, line, last);
      copy(dx + whole, spareDx, rest);
    }
    x += count * F;
    dy += count * F;
    dx += count * F;
    means += groups * F;
    inverses += groups * F;
    scale += perExample;
    offset += perExample;
    if (perExample !== 0) {
      dscale += perExample;
      doffset += perExample;
    }
  }
}

/** dx = FACTOR dz, and the sums of dz and dz (x − MEAN), where dz is the gradient for what the activation was given. */
function slopes(dy: usize, x: usize, end: usize, dx: usize, line: usize, table: usize, silu: bool): void {
  if (silu) {
    siluSlopes(dy, x, end, dx, line, table);
    return;
  }
  while (x < end) {
    const lineEnd = least(x + line, end);
    for (let p = table; x < lineEnd; x += V, dy += V, dx += V, p += RECORD) {
      putSlope(dx, p, v128.load(dy), f32x4.sub(v128.load(x), v128.load(p, MEAN)), v128.load(p, FACTOR));
    }
  }
}

function siluSlopes(dy: usize, x: usize, end: usize, dx: usize, line: usize, table: usize): void {
  const k = constantTable();
  const rate = v128.load(k, MINUS_LOG2E);
  const greatest = v128.load(k, GREATEST);
  const smallest = v128.load(k, LEAST);
  const biased = v128.load(k, BIASED);
  const even = v128.load(k, EVEN);
  const odd = v128.load(k, ODD);
  const one = v128.load(k, ONE);
  while (x < end) {
    const lineEnd = least(x + line, end);
    for (let p = table; x < lineEnd; x += V, dy += V, dx += V, p += RECORD) {
      const centred = f32x4.sub(v128.load(x), v128.load(p, MEAN));
      const factor = v128.load(p, FACTOR);
      const z = f32x4.add(f32x4.mul(centred, factor), v128.load(p, SHIFT));
      const slope = siluSlope4(z, sigmoid4(z, rate, greatest, smallest, biased, even, odd), one);
      putSlope(dx, p, f32x4.mul(v128.load(dy), slope), centred, factor);
    }
  }
}

@inline
function putSlope(dx: usize, p: usize, dz: v128, centred: v128, factor: v128): void {
  v128.store(p, f32x4.add(v128.load(p, SUM), dz), SUM);
  v128.store(p, f32x4.add(v128.load(p, SUM2), f32x4.mul(dz, centred)), SUM2);
  v128.store(dx, f32x4.mul(dz, factor));
}

/** dx += FACTOR (x − MEAN) + SHIFT. */
function centre(x: usize, end: usize, dx: usize, line: usize, table: usize): void {
  while (x < end) {
    const lineEnd = least(x + line, end);
    for (let p = table; x < lineEnd; x += V, dx += V, p += RECORD) {
      v128.store(dx, f32x4.add(v128.load(dx), normalised(x, p)));
    }
  }
}
