// GroupNorm (Wu and He 2018) with an optional SiLU behind it. An image mostly fits the cache, so it is read twice: once
// for its mean and variance, or for the sums of its gradient, and once for the result.
//
// Rows are joined to lines of many vectors, a whole number of them whatever the number of channels; what is known of
// each column of a line lies in a table, a record for every four columns. Four lines are worked on side by side: they
// share what is read from the table, and while one waits for a quotient the others go on. They are a quarter of the image
// apart, so that the processor sees four streams that it can read ahead.

import { BIASED, constantTable, EVEN, GREATEST, LEAST, MINUS_LOG2E, ODD, ONE } from './constants';
import { sigmoid4, sigmoidOfPower, siluSlope4 } from './math';
import { clear, copy, F, greatestLane, least, roundUp, V } from './vector';

// The fields of a record, each four floats.
const MEAN: usize = 0;
const FACTOR: usize = 16;
const SHIFT: usize = 32;
const SUM: usize = 48;
const SUM2: usize = 64;
/** SHIFT where x is not centred first. */
const SHIFT0: usize = 80;
const RECORD: usize = 96;

// What is done with a normalised image. SiLU of a tame one is faster.
const NONE: i32 = 0;
const SILU: i32 = 1;
const TAME: i32 = 2;

/** A line has so many floats or more, if the image does. */
const LINE: usize = 128;
/** Lines that are added up in float32, four at a time, before float64 takes over. */
const BLOCK: usize = 512;
/** Beyond so many variances the square of a missed mean costs the variance more digits than a second pass is worth. */
const FAR: f64 = 16;
/**
 * An image is tame if every mean is within so many deviations of zero, so that float32 need not subtract it first, and
 * nothing is normalised to more than REACH, where σ needs its ends.
 */
const NEAR: f64 = 4;
const REACH: f64 = 80;

/** Columns of a line: whole rows, and whole vectors if there is more than one line. */
function columnsOf(rows: usize, channels: usize): usize {
  let joined = (LINE + channels - 1) / channels;
  while ((joined * channels) & 3) joined++;
  return min(joined, rows) * channels;
}

/** Bytes of a line: at least those of the vector that the last numbers of an image are worked on in. */
@inline
function lineOf(columns: usize): usize {
  return max(columns * F, V);
}

/** Bytes of scratch for images of rows × channels. */
export function groupNormScratch(rows: usize, channels: usize): f64 {
  return <f64>tableSize(columnsOf(rows, channels)) + 16 * <f64>channels + 3 * <f64>V;
}

/** The bytes between four lines that are worked on side by side: a quarter of what there is. */
@inline
function quarterOf(bytes: usize, line: usize): usize {
  // An odd number of lines, since all four would share a set of the cache if they were a multiple of 4 KiB apart.
  const lines = bytes / line / 4;
  return (lines & 1 ? lines : lines - 1) * line;
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
    f32.store(to, f32.load(from, SHIFT0), SHIFT0);
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

/** Σ d and Σ d² of d = x − MEAN over x … end, lines one after the other; the result is at least d² and `largest`. */
function addDeviations(x: usize, end: usize, line: usize, table: usize, largest: v128): v128 {
  while (x + 4 * line <= end) {
    const quarter = quarterOf(end - x, line);
    const quarterEnd = x + quarter;
    while (x < quarterEnd) {
      const lineEnd = x + line;
      for (let p = table; x < lineEnd; x += V, p += RECORD) {
        const mean = v128.load(p, MEAN);
        const d0 = f32x4.sub(v128.load(x), mean);
        const d1 = f32x4.sub(v128.load(x + quarter), mean);
        const d2 = f32x4.sub(v128.load(x + 2 * quarter), mean);
        const d3 = f32x4.sub(v128.load(x + 3 * quarter), mean);
        const sum = f32x4.add(f32x4.add(d0, d1), f32x4.add(d2, d3));
        const sum01 = f32x4.add(f32x4.mul(d0, d0), f32x4.mul(d1, d1));
        const sum23 = f32x4.add(f32x4.mul(d2, d2), f32x4.mul(d3, d3));
        const sum2 = f32x4.add(sum01, sum23);
        v128.store(p, f32x4.add(v128.load(p, SUM), sum), SUM);
        v128.store(p, f32x4.add(v128.load(p, SUM2), sum2), SUM2);
        largest = f32x4.pmax(largest, sum2);
      }
    }
    x += 3 * quarter;
  }
  while (x < end) {
    const lineEnd = least(x + line, end);
    for (let p = table; x < lineEnd; x += V, p += RECORD) {
      const d = f32x4.sub(v128.load(x), v128.load(p, MEAN));
      const d2 = f32x4.mul(d, d);
      v128.store(p, f32x4.add(v128.load(p, SUM), d), SUM);
      v128.store(p, f32x4.add(v128.load(p, SUM2), d2), SUM2);
      largest = f32x4.pmax(largest, d2);
    }
  }
  return largest;
}

/** The last 1 … 3 numbers of an image as a vector, with means in the other lanes: what makes no difference to a sum. */
function pad(to: usize, x: usize, count: usize, p: usize): void {
  v128.store(to, v128.load(p, MEAN));
  copy(to, x, count);
}

/**
 * Σ d and Σ d² of d = x − MEAN over an image, for every group: at `totals` in float64, the second behind the first. The
 * result is at least the largest |d|.
 */
function deviations(
  x: usize, count: usize, channels: usize, groups: usize, columns: usize, means: usize, table: usize, totals: usize,
): f64 {
  let largest = f32x4.splat(0);
  const size = channels / groups;
  for (let c: usize = 0; c < channels; c++) f32.store(column(table, c), f32.load(means + (c / size) * F), MEAN);
  repeat(table, channels, columns);
  memory.fill(totals, 0, 16 * groups);
  const line = lineOf(columns);
  const end = x + (count & ~3) * F;
  for (; x < end; x += BLOCK * line) {
    largest = addDeviations(x, least(x + BLOCK * line, end), line, table, largest);
    flush(table, channels, columns, size, totals);
  }
  if (count & 3) {
    const spare = totals + 16 * channels;
    const p = lastRecord(table, count, columns);
    pad(spare, end, count & 3, p);
    largest = addDeviations(spare, spare + V, line, p, largest);
    flush(table, channels, columns, size, totals);
  }
  return Math.sqrt(<f64>greatestLane(largest));
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
  const line = lineOf(columns);
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
    let largest = deviations(x, count, channels, groups, columns, means, table, totals);
    if (isFar(totals, groups, members, epsilon)) {
      for (let g: usize = 0; g < groups; g++) {
        f32.store(means + g * F, <f32>(<f64>f32.load(means + g * F) + f64.load(totals + g * 8) / members));
      }
      largest = deviations(x, count, channels, groups, columns, means, table, totals);
    }
    let isTame = true;
    for (let g: usize = 0; g < groups; g++) {
      const missed = f64.load(totals + g * 8) / members;
      const mean = <f64>f32.load(means + g * F) + missed;
      const variance = f64.load(totals + (groups + g) * 8) / members - missed * missed;
      const inverse = 1 / Math.sqrt(variance + epsilon);
      f32.store(means + g * F, <f32>mean);
      f32.store(inverses + g * F, <f32>inverse);
      isTame = isTame && Math.abs(mean) * inverse <= NEAR;
      for (let c = g * size; c < (g + 1) * size; c++) {
        const gain = <f64>f32.load(scale + c * F) * inverse;
        const shift = <f64>f32.load(offset + c * F);
        isTame = isTame && Math.abs(gain) * (largest + Math.abs(missed)) + Math.abs(shift) <= REACH;
        const at = column(table, c);
        f32.store(at, <f32>mean, MEAN);
        f32.store(at, <f32>gain, FACTOR);
        // What float32 loses of the mean matters where that is many deviations from zero.
        f32.store(at, <f32>(shift - (mean - <f64>(<f32>mean)) * gain), SHIFT);
        f32.store(at, <f32>(shift - mean * gain), SHIFT0);
      }
    }
    repeat(table, channels, columns);
    const kind = silu ? (isTame ? TAME : SILU) : NONE;
    normalise(x, x + whole, y, line, table, kind);
    if (rest !== 0) {
      const p = lastRecord(table, count, columns);
      pad(spare, x + whole, rest, p);
      normalise(spare, spare + V, spare, line, p, kind);
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
function normalised(x: usize, mean: v128, factor: v128, shift: v128): v128 {
  return f32x4.add(f32x4.mul(f32x4.sub(v128.load(x), mean), factor), shift);
}

/** y from x … end, lines one after the other. */
function normalise(x: usize, end: usize, y: usize, line: usize, table: usize, kind: i32): void {
  if (kind === TAME) {
    normaliseTame(x, end, y, line, table);
  } else if (kind === SILU) {
    normaliseSilu(x, end, y, line, table);
  } else {
    while (x < end) {
      const lineEnd = least(x + line, end);
      for (let p = table; x < lineEnd; x += V, y += V, p += RECORD) {
        v128.store(y, normalised(x, v128.load(p, MEAN), v128.load(p, FACTOR), v128.load(p, SHIFT)));
      }
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
      const z = normalised(x, v128.load(p, MEAN), v128.load(p, FACTOR), v128.load(p, SHIFT));
      v128.store(y, f32x4.mul(z, sigmoid4(z, rate, greatest, smallest, biased, even, odd)));
    }
  }
}

/** `normaliseSilu` of a tame image. */
function normaliseTame(x: usize, end: usize, y: usize, line: usize, table: usize): void {
  const k = constantTable();
  const rate = v128.load(k, MINUS_LOG2E);
  const biased = v128.load(k, BIASED);
  const even = v128.load(k, EVEN);
  const odd = v128.load(k, ODD);
  while (x + 4 * line <= end) {
    const quarter = quarterOf(end - x, line);
    const quarterEnd = x + quarter;
    while (x < quarterEnd) {
      const lineEnd = x + line;
      for (let p = table; x < lineEnd; x += V, y += V, p += RECORD) {
        const factor = v128.load(p, FACTOR);
        const shift = v128.load(p, SHIFT0);
        const z0 = f32x4.add(f32x4.mul(v128.load(x), factor), shift);
        const z1 = f32x4.add(f32x4.mul(v128.load(x + quarter), factor), shift);
        const z2 = f32x4.add(f32x4.mul(v128.load(x + 2 * quarter), factor), shift);
        const z3 = f32x4.add(f32x4.mul(v128.load(x + 3 * quarter), factor), shift);
        const y0 = f32x4.mul(z0, sigmoidOfPower(f32x4.mul(z0, rate), biased, even, odd));
        const y1 = f32x4.mul(z1, sigmoidOfPower(f32x4.mul(z1, rate), biased, even, odd));
        const y2 = f32x4.mul(z2, sigmoidOfPower(f32x4.mul(z2, rate), biased, even, odd));
        const y3 = f32x4.mul(z3, sigmoidOfPower(f32x4.mul(z3, rate), biased, even, odd));
        v128.store(y, y0);
        v128.store(y + quarter, y1);
        v128.store(y + 2 * quarter, y2);
        v128.store(y + 3 * quarter, y3);
      }
    }
    x += 3 * quarter;
    y += 3 * quarter;
  }
  while (x < end) {
    const lineEnd = least(x + line, end);
    for (let p = table; x < lineEnd; x += V, y += V, p += RECORD) {
      const z = f32x4.add(f32x4.mul(v128.load(x), v128.load(p, FACTOR)), v128.load(p, SHIFT0));
      v128.store(y, f32x4.mul(z, sigmoidOfPower(f32x4.mul(z, rate), biased, even, odd)));
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
  const line = lineOf(columns);
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
  while (x + 4 * line <= end) {
    const quarter = quarterOf(end - x, line);
    const quarterEnd = x + quarter;
    while (x < quarterEnd) {
      const lineEnd = x + line;
      for (let p = table; x < lineEnd; x += V, dy += V, dx += V, p += RECORD) {
        const mean = v128.load(p, MEAN);
        const factor = v128.load(p, FACTOR);
        const shift = v128.load(p, SHIFT);
        const c0 = f32x4.sub(v128.load(x), mean);
        const c1 = f32x4.sub(v128.load(x + quarter), mean);
        const c2 = f32x4.sub(v128.load(x + 2 * quarter), mean);
        const c3 = f32x4.sub(v128.load(x + 3 * quarter), mean);
        const z0 = f32x4.add(f32x4.mul(c0, factor), shift);
        const z1 = f32x4.add(f32x4.mul(c1, factor), shift);
        const z2 = f32x4.add(f32x4.mul(c2, factor), shift);
        const z3 = f32x4.add(f32x4.mul(c3, factor), shift);
        const s0 = siluSlope4(z0, sigmoid4(z0, rate, greatest, smallest, biased, even, odd), one);
        const s1 = siluSlope4(z1, sigmoid4(z1, rate, greatest, smallest, biased, even, odd), one);
        const s2 = siluSlope4(z2, sigmoid4(z2, rate, greatest, smallest, biased, even, odd), one);
        const s3 = siluSlope4(z3, sigmoid4(z3, rate, greatest, smallest, biased, even, odd), one);
        const dz0 = f32x4.mul(v128.load(dy), s0);
        const dz1 = f32x4.mul(v128.load(dy + quarter), s1);
        const dz2 = f32x4.mul(v128.load(dy + 2 * quarter), s2);
        const dz3 = f32x4.mul(v128.load(dy + 3 * quarter), s3);
        const sum = f32x4.add(f32x4.add(dz0, dz1), f32x4.add(dz2, dz3));
        const sum01 = f32x4.add(f32x4.mul(dz0, c0), f32x4.mul(dz1, c1));
        const sum23 = f32x4.add(f32x4.mul(dz2, c2), f32x4.mul(dz3, c3));
        v128.store(p, f32x4.add(v128.load(p, SUM), sum), SUM);
        v128.store(p, f32x4.add(v128.load(p, SUM2), f32x4.add(sum01, sum23)), SUM2);
        v128.store(dx, f32x4.mul(dz0, factor));
        v128.store(dx + quarter, f32x4.mul(dz1, factor));
        v128.store(dx + 2 * quarter, f32x4.mul(dz2, factor));
        v128.store(dx + 3 * quarter, f32x4.mul(dz3, factor));
      }
    }
    x += 3 * quarter;
    dy += 3 * quarter;
    dx += 3 * quarter;
  }
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
  while (x + 4 * line <= end) {
    const quarter = quarterOf(end - x, line);
    const quarterEnd = x + quarter;
    while (x < quarterEnd) {
      const lineEnd = x + line;
      for (let p = table; x < lineEnd; x += V, dx += V, p += RECORD) {
        const mean = v128.load(p, MEAN);
        const factor = v128.load(p, FACTOR);
        const shift = v128.load(p, SHIFT);
        const d0 = f32x4.add(v128.load(dx), normalised(x, mean, factor, shift));
        const d1 = f32x4.add(v128.load(dx + quarter), normalised(x + quarter, mean, factor, shift));
        const d2 = f32x4.add(v128.load(dx + 2 * quarter), normalised(x + 2 * quarter, mean, factor, shift));
        const d3 = f32x4.add(v128.load(dx + 3 * quarter), normalised(x + 3 * quarter, mean, factor, shift));
        v128.store(dx, d0);
        v128.store(dx + quarter, d1);
        v128.store(dx + 2 * quarter, d2);
        v128.store(dx + 3 * quarter, d3);
      }
    }
    x += 3 * quarter;
    dx += 3 * quarter;
  }
  while (x < end) {
    const lineEnd = least(x + line, end);
    for (let p = table; x < lineEnd; x += V, dx += V, p += RECORD) {
      const step = normalised(x, v128.load(p, MEAN), v128.load(p, FACTOR), v128.load(p, SHIFT));
      v128.store(dx, f32x4.add(v128.load(dx), step));
    }
  }
}
