// 3×3 convolution of stride 1 by Winograd's F(4×4, 3×3) (Lavin and Gray 2016, "Fast algorithms for convolutional neural
// networks"): 36 products instead of 144 for each tile of 4×4 outputs. The interpolation points are 0, ±P, ±Q, ∞;
// ±5/8 and ±3/2 lose fewer digits than the customary ±1 and ±2, and their powers are still exact.

import {
  AT_0,
  AT_P,
  AT_Q,
  constantTable,
  P,
  P2,
  P2_PLUS_Q2,
  P2_Q2,
  P3,
  P_AT_P,
  Q,
  Q2,
  Q3,
  Q_AT_Q,
} from './constants';
import { COLUMNS, ROWS, tiles } from './tile';
import { accumulate, addProduct, F, least, load, roundUp, store, storeTransposed, subtractProduct, V } from './vector';

const POINTS: usize = 36;
const TILE: usize = 4;
const PATCH: usize = 6;

@inline
function times(a: v128, factor: usize): v128 {
  return f32x4.mul(a, v128.load(factor));
}

@inline
function plus(a: v128, b: v128): v128 {
  return f32x4.add(a, b);
}

@inline
function plusTimes(c: v128, a: v128, factor: usize): v128 {
  return addProduct(c, a, v128.load(factor));
}

@inline
function minusTimes(c: v128, a: v128, factor: usize): v128 {
  return subtractProduct(c, a, v128.load(factor));
}

@inline
function minus(a: v128, b: v128): v128 {
  return f32x4.sub(a, b);
}

/** Bᵀ d for one line of six: written at `to`, `step` apart. */
@inline
function inputLine(k: usize, to: usize, step: usize, d0: v128, d1: v128, d2: v128, d3: v128, d4: v128, d5: v128): void {
  v128.store(to, plusTimes(minusTimes(d4, d2, k + P2_PLUS_Q2), d0, k + P2_Q2));
  let even = minusTimes(d4, d2, k + Q2);
  let odd = minusTimes(d3, d1, k + Q2);
  v128.store(to + step, plusTimes(even, odd, k + P));
  v128.store(to + 2 * step, minusTimes(even, odd, k + P));
  even = minusTimes(d4, d2, k + P2);
  odd = minusTimes(d3, d1, k + P2);
  v128.store(to + 3 * step, plusTimes(even, odd, k + Q));
  v128.store(to + 4 * step, minusTimes(even, odd, k + Q));
  v128.store(to + 5 * step, plusTimes(minusTimes(d5, d3, k + P2_PLUS_Q2), d1, k + P2_Q2));
}

/** Bᵀ d B for four channels at `channel` bytes of the 36 pixels whose addresses are in `table`; `half` is scratch. */
@inline
function inputTile(k: usize, to: usize, step: usize, table: usize, channel: usize, count: usize, half: usize): void {
  for (let x: usize = 0; x < PATCH; x++) {
    const at = table + x * 4;
    inputLine(
        k,
      half + x * V,
      PATCH * V,
      load(<usize>load32(at) + channel, count),
      load(<usize>load32(at + 24) + channel, count),
      load(<usize>load32(at + 48) + channel, count),
      load(<usize>load32(at + 72) + channel, count),
      load(<usize>load32(at + 96) + channel, count),
      load(<usize>load32(at + 120) + channel, count),
    );
  }
  for (let y: usize = 0; y < PATCH; y++) {
    const from = half + y * PATCH * V;
    inputLine(
        k,
      to + y * PATCH * step,
      step,
      v128.load(from),
      v128.load(from, 16),
      v128.load(from, 32),
      v128.load(from, 48),
      v128.load(from, 64),
      v128.load(from, 80),
    );
  }
}

/** `inputTile` for the last 1 … 3 channels: apart from it, so that the common case has no branch in it. */
function inputTilePart(k: usize, to: usize, step: usize, table: usize, channel: usize, count: usize, half: usize): void {
  inputTile(k, to, step, table, channel, count, half);
}

@inline
function load32(p: usize): u32 {
  return i32.load(p);
}

/** Aᵀ m for one line of six: four results, `step` apart. */
@inline
function outputLine(k: usize, to: usize, step: usize, m0: v128, m1: v128, m2: v128, m3: v128, m4: v128, m5: v128): void {
  const pSum = plus(m1, m2);
  const pDifference = minus(m1, m2);
  const qSum = plus(m3, m4);
  const qDifference = minus(m3, m4);
  v128.store(to, plus(m0, plus(pSum, qSum)));
  v128.store(to + step, plusTimes(times(pDifference, k + P), qDifference, k + Q));
  v128.store(to + 2 * step, plusTimes(times(pSum, k + P2), qSum, k + Q2));
  v128.store(to + 3 * step, plusTimes(plusTimes(m5, pDifference, k + P3), qDifference, k + Q3));
}

/** Aᵀ m A for four channels of the 36 products at `from`, `step` apart, into `half`: one direction of it. */
@inline
function outputColumns(k: usize, from: usize, step: usize, half: usize): void {
  for (let j: usize = 0; j < PATCH; j++) {
    const p = from + j * step;
    outputLine(
      k,
      half + j * V,
      PATCH * V,
      v128.load(p),
      v128.load(p + 6 * step),
      v128.load(p + 12 * step),
      v128.load(p + 18 * step),
      v128.load(p + 24 * step),
      v128.load(p + 30 * step),
    );
  }
}

/** Writes a whole tile of outputs; returns 0, or NaN where one of them is not finite. */
@inline
function outputTile(
  k: usize, from: usize, step: usize, half: usize, to: usize, row: usize, pixel: usize, bias: v128,
): v128 {
  outputColumns(k, from, step, half);
  let sum = bias;
  for (let j: usize = 0; j < TILE; j++) {
    const p = half + j * PATCH * V;
    const m1 = v128.load(p, 16);
    const m2 = v128.load(p, 32);
    const m3 = v128.load(p, 48);
    const m4 = v128.load(p, 64);
    const pSum = plus(m1, m2);
    const pDifference = minus(m1, m2);
    const qSum = plus(m3, m4);
    const qDifference = minus(m3, m4);
    const y0 = plus(plus(v128.load(p), bias), plus(pSum, qSum));
    v128.store(to, y0);
    const y1 = plusTimes(plusTimes(bias, pDifference, k + P), qDifference, k + Q);
    v128.store(to + pixel, y1);
    const y2 = plusTimes(plusTimes(bias, pSum, k + P2), qSum, k + Q2);
    v128.store(to + 2 * pixel, y2);
    const y3 = plusTimes(plusTimes(plus(v128.load(p, 80), bias), pDifference, k + P3), qDifference, k + Q3);
    v128.store(to + 3 * pixel, y3);
    sum = plus(sum, plus(plus(y0, y1), plus(y2, y3)));
    to += row;
  }
  return minus(sum, sum);
}

/** `outputTile` for the first `height` × `width` pixels and `count` channels of a tile. */
function outputTilePart(
  k: usize, from: usize, step: usize, half: usize, line: usize, to: usize, row: usize, pixel: usize, bias: v128,
  height: i32, width: i32, count: usize,
): v128 {
  outputColumns(k, from, step, half);
  let sum = bias;
  for (let j: i32 = 0; j < height; j++) {
    const p = half + <usize>j * PATCH * V;
    outputLine(
      k, line, V, v128.load(p), v128.load(p, 16), v128.load(p, 32), v128.load(p, 48), v128.load(p, 64),
      v128.load(p, 80),
    );
    for (let i: i32 = 0; i < width; i++) {
      const value = plus(v128.load(line + <usize>i * V), bias);
      sum = plus(sum, value);
      store(to + <usize>i * pixel, value, count);
    }
    to += row;
  }
  return minus(sum, sum);
}

/** A y for one line of four: six results, `step` apart. */
@inline
function outputGradientLine(k: usize, to: usize, step: usize, y0: v128, y1: v128, y2: v128, y3: v128): void {
  v128.store(to, y0);
  let even = plusTimes(y0, y2, k + P2);
  let odd = plusTimes(times(y1, k + P), y3, k + P3);
  v128.store(to + step, plus(even, odd));
  v128.store(to + 2 * step, minus(even, odd));
  even = plusTimes(y0, y2, k + Q2);
  odd = plusTimes(times(y1, k + Q), y3, k + Q3);
  v128.store(to + 3 * step, plus(even, odd));
  v128.store(to + 4 * step, minus(even, odd));
  v128.store(to + 5 * step, y3);
}

/** A y Aᵀ for four channels at `channel` bytes of the 16 pixels whose addresses are in `table`; `half` is scratch. */
@inline
function outputGradientTile(
  k: usize, to: usize, step: usize, table: usize, channel: usize, count: usize, half: usize,
): void {
  for (let j: usize = 0; j < TILE; j++) {
    const p = table + j * 4;
    outputGradientLine(
      k,
      half + j * V,
      TILE * V,
      load(<usize>load32(p) + channel, count),
      load(<usize>load32(p + 16) + channel, count),
      load(<usize>load32(p + 32) + channel, count),
      load(<usize>load32(p + 48) + channel, count),
    );
  }
  for (let j: usize = 0; j < PATCH; j++) {
    const p = half + j * TILE * V;
    outputGradientLine(
      k, to + j * PATCH * step, step, v128.load(p), v128.load(p, 16), v128.load(p, 32), v128.load(p, 48),
    );
  }
}

/** `outputGradientTile` for the last 1 … 3 channels. */
function outputGradientTilePart(
  k: usize, to: usize, step: usize, table: usize, channel: usize, count: usize, half: usize,
): void {
  outputGradientTile(k, to, step, table, channel, count, half);
}

/** G g for one line of three: six results, `step` apart. */
@inline
function filterLine(k: usize, to: usize, step: usize, g0: v128, g1: v128, g2: v128): void {
  v128.store(to, times(g0, k + AT_0));
  let even = times(plusTimes(g0, g2, k + P2), k + AT_P);
  let odd = times(g1, k + P_AT_P);
  v128.store(to + step, plus(even, odd));
  v128.store(to + 2 * step, minus(even, odd));
  even = times(plusTimes(g0, g2, k + Q2), k + AT_Q);
  odd = times(g1, k + Q_AT_Q);
  v128.store(to + 3 * step, plus(even, odd));
  v128.store(to + 4 * step, minus(even, odd));
  v128.store(to + 5 * step, g2);
}

/** Gᵀ u for one line of six: three results, `step` apart. */
@inline
function filterGradientLine(k: usize, to: usize, step: usize, u0: v128, u1: v128, u2: v128, u3: v128, u4: v128, u5: v128): void {
  const pSum = times(plus(u1, u2), k + AT_P);
  const qSum = times(plus(u3, u4), k + AT_Q);
  v128.store(to, plusTimes(plus(pSum, qSum), u0, k + AT_0));
  v128.store(to + step, plus(times(minus(u1, u2), k + P_AT_P), times(minus(u3, u4), k + Q_AT_Q)));
  v128.store(to + 2 * step, plus(plusTimes(times(pSum, k + P2), qSum, k + Q2), u5));
}

/** Addresses of the pixels `top … top + size − 1` × `left … left + size − 1` of an image; those outside are `zeros`. */
function addresses(
  table: usize,
  size: usize,
  image: usize,
  top: i32,
  left: i32,
  height: i32,
  width: i32,
  pixel: usize,
  zeros: usize,
): void {
  for (let i: i32 = 0; i < <i32>size; i++) {
    const y = top + i;
    const inside = y >= 0 && y < height;
    for (let j: i32 = 0; j < <i32>size; j++) {
      const x = left + j;
      const at = inside && x >= 0 && x < width ? image + <usize>(y * width + x) * pixel : zeros;
      i32.store(table, <i32>at);
      table += 4;
    }
  }
}

/** Bytes between the points of a block beside its numbers: at a power of two they would share a cache set. */
const SKEW: usize = 64;

/** Bytes of the transformed filter. */
export function winogradFilterSize(k: usize, n: usize): f64 {
  return <f64>POINTS * (<f64>F * <f64>roundUp(k, 4) * <f64>roundUp(n, COLUMNS) + <f64>SKEW);
}

/**
 * The filter w[3][3][k][n] as U[36][n / 8][k][8], padded with zeros, SKEW bytes between its points. `turned` rotates it by half a turn, as the
 * gradient for the input wants it.
 */
export function winogradFilter(u: usize, w: usize, k: usize, n: usize, turned: bool, scratch: usize): void {
  const constants = constantTable();
  const k4 = roundUp(k, 4);
  const panels = roundUp(n, COLUMNS) / COLUMNS;
  const point = panels * k4 * COLUMNS * F + SKEW;
  const half = scratch;
  const tap = k * n * F;
  if (k4 !== k || n % COLUMNS !== 0) memory.fill(u, 0, POINTS * point);
  for (let i: usize = 0; i < k; i++) {
    for (let j: usize = 0; j < n; j += 4) {
      const count = n - j;
      const from = w + (i * n + j) * F;
      const first = turned ? from + 8 * tap : from;
      const step = turned ? <usize>0 - tap : tap;
      for (let x: usize = 0; x < 3; x++) {
        const at = first + x * step;
        filterLine(constants, half + x * V, 3 * V, load(at, count), load(at + 3 * step, count), load(at + 6 * step, count));
      }
      const to = u + ((j / COLUMNS) * k4 + i) * COLUMNS * F + (j % COLUMNS) * F;
      for (let y: usize = 0; y < PATCH; y++) {
        const at = half + y * 3 * V;
        filterLine(constants, to + y * PATCH * point, point, v128.load(at), v128.load(at, 16), v128.load(at, 32));
      }
    }
  }
}

/** w[9][n][k] from w[9][k][n]. */
export function transposeTaps(to: usize, from: usize, taps: usize, k: usize, n: usize): void {
  for (let tap: usize = 0; tap < taps; tap++) transpose(to + tap * k * n * F, from + tap * k * n * F, k, n);
}

function transpose(to: usize, from: usize, rows: usize, columns: usize): void {
  const row = columns * F;
  const column = rows * F;
  const ready: usize = ((rows | columns) & 3) === 0 ? rows : 0;
  for (let i: usize = 0; i < ready; i += 4) {
    for (let j: usize = 0; j < columns; j += 4) {
      const p = from + i * row + j * F;
      storeTransposed(
        to + j * column + i * F,
        column,
        v128.load(p),
        v128.load(p + row),
        v128.load(p + 2 * row),
        v128.load(p + 3 * row),
      );
    }
  }
  for (let i = ready; i < rows; i++) {
    for (let j: usize = 0; j < columns; j++) f32.store(to + j * column + i * F, f32.load(from + i * row + j * F));
  }
}

/** How many tiles are worked on at a time, so that both transformed blocks stay in the cache. */
function blockOf(cin: usize, cout: usize): usize {
  const fits = (BLOCK_BYTES / (POINTS * F * (cin + cout))) & ~3;
  return fits < 32 ? 32 : fits > 128 ? 128 : fits;
}
const BLOCK_BYTES: usize = 1 << 19;

/** Bytes of scratch that `winograd` and `winogradFilterGradient` need. */
export function winogradScratch(cin: usize, cout: usize): f64 {
  const block = <f64>blockOf(cin, cout);
  const ci = <f64>roundUp(cin, 4);
  const co = <f64>roundUp(cout, COLUMNS);
  const points = <f64>POINTS;
  const floats = points * (block * (ci + co) + ci * co) + ci + co + 5 * points * 4 + 4 * points;
  return <f64>F * floats + 2 * points * (block + 1) * <f64>SKEW;
}

/**
 * y[n][oh][ow][cout] = residual + bias + x[n][h][w][cin] ∗ the filter transformed into `u`; `bias` and `residual` are 0
 * for none. Returns false if the sum without the residual is anywhere not finite: an infinity spreads over its tile, so
 * the caller must convolve directly.
 */
export function winograd(
  x: usize,
  n: i32,
  h: i32,
  w: i32,
  cin: usize,
  u: usize,
  bias: usize,
  residual: usize,
  y: usize,
  oh: i32,
  ow: i32,
  cout: usize,
  padTop: i32,
  padLeft: i32,
  scratch: usize,
): bool {
  const constants = constantTable();
  const ci = roundUp(cin, 4);
  const co = roundUp(cout, COLUMNS);
  const block = blockOf(cin, cout);
  const zeros = scratch;
  const table = zeros + (ci + co) * F;
  const half = table + 4 * POINTS * 4;
  const four = half + POINTS * V;
  const products = four + 4 * POINTS * V;
  const patches = products + POINTS * block * (co * F + SKEW);
  memory.fill(zeros, 0, (ci + co) * F);

  const rows = (oh + 3) / 4;
  const columns = (ow + 3) / 4;
  const count = <usize>(n * rows * columns);
  const patchStep = ci * V + SKEW;
  const productStep = co * F + SKEW;
  const group = POINTS * patchStep; // bytes of four transformed tiles
  const line = <usize>ow * cout * F;
  const zero = f32x4.splat(0);
  let check = zero;
  for (let first: usize = 0; first < count; first += block) {
    const here = least(block, count - first);
    for (let i: usize = 0; i < here; i += ROWS) {
      const lanes = least(ROWS, here - i);
      for (let lane: usize = 0; lane < lanes; lane++) {
        const at = <i32>(first + i + lane);
        const image = at / (rows * columns);
        const row = (at / columns) % rows;
        const column = at % columns;
        const from = x + <usize>(image * h * w) * cin * F;
        addresses(
          table + lane * POINTS * 4, PATCH, from, row * 4 - padTop, column * 4 - padLeft, h, w, cin * F, zeros,
        );
      }
      let to = patches + (i / ROWS) * group;
      for (let c: usize = 0; c < cin; c += 4) {
        for (let lane: usize = 0; lane < lanes; lane++) {
          const at = table + lane * POINTS * 4;
          if (cin - c >= 4) inputTile(constants, four + lane * POINTS * V, V, at, c * F, 4, half);
          else inputTilePart(constants, four + lane * POINTS * V, V, at, c * F, cin - c, half);
        }
        for (let point: usize = 0; point < POINTS; point++) {
          const from = four + point * V;
          storeTransposed(
            to + point * patchStep,
            V,
            v128.load(from),
            v128.load(from + POINTS * V),
            v128.load(from + 2 * POINTS * V),
            v128.load(from + 3 * POINTS * V),
          );
        }
        to += 4 * V;
      }
    }
    for (let point: usize = 0; point < POINTS; point++) {
      tiles(
        patches + point * patchStep,
        group,
        u + point * (ci * co * F + SKEW),
        ci * COLUMNS * F,
        roundUp(here, ROWS),
        co,
        ci,
        products + point * productStep,
        POINTS * productStep,
        zeros,
        0,
        0,
      );
    }
    for (let i: usize = 0; i < here; i++) {
      const at = <i32>(first + i);
      const image = at / (rows * columns);
      const row = (at / columns) % rows;
      const column = at % columns;
      const height = min(4, oh - row * 4);
      const width = min(4, ow - column * 4);
      const pixel = <usize>((image * oh + row * 4) * ow + column * 4);
      const to = y + pixel * cout * F;
      for (let c: usize = 0; c < cout; c += 4) {
        const from = products + i * POINTS * productStep + c * F;
        const step = productStep;
        if (height === 4 && width === 4 && cout - c >= 4) {
          const b = bias === 0 ? zero : v128.load(bias + c * F);
          check = plus(check, outputTile(constants, from, step, half, to + c * F, line, cout * F, b));
        } else {
          const b = bias === 0 ? zero : load(bias + c * F, cout - c);
          check = plus(
            check,
            outputTilePart(
              constants, from, step, half, four, to + c * F, line, cout * F, b, height, width, cout - c,
            ),
          );
        }
      }
      if (residual !== 0) {
        for (let j: usize = 0; j < <usize>height; j++) {
          accumulate(to + j * line, residual + pixel * cout * F + j * line, <usize>width * cout);
        }
      }
    }
  }
  return !v128.any_true(f32x4.ne(check, check));
}

/**
 * dw[3][3][cin][cout], the gradient for the filter of y = x ∗ w, by the transposed algorithm.
 * Returns false if anything in dw is not finite.
 */
export function winogradFilterGradient(
  x: usize,
  n: i32,
  h: i32,
  w: i32,
  cin: usize,
  dy: usize,
  oh: i32,
  ow: i32,
  cout: usize,
  dw: usize,
  padTop: i32,
  padLeft: i32,
  scratch: usize,
): bool {
  const constants = constantTable();
  const ci = roundUp(cin, 4);
  const co = roundUp(cout, COLUMNS);
  const block = blockOf(cin, cout);
  const zeros = scratch;
  const table = zeros + (ci + co) * F;
  const half = table + 4 * POINTS * 4;
  const products = half + POINTS * V;
  const patchStep = ci * block * F + SKEW;
  const productStep = co * block * F + SKEW;
  const gradientStep = ci * co * F + SKEW;
  const patches = products + POINTS * productStep;
  const du = patches + POINTS * patchStep;
  memory.fill(zeros, 0, (ci + co) * F);
  memory.fill(products, 0, POINTS * productStep);

  const rows = (oh + 3) / 4;
  const columns = (ow + 3) / 4;
  const count = <usize>(n * rows * columns);
  for (let first: usize = 0; first < count; first += block) {
    const here = least(block, count - first);
    for (let i: usize = 0; i < here; i++) {
      const at = <i32>(first + i);
      const image = at / (rows * columns);
      const row = (at / columns) % rows;
      const column = at % columns;
      const from = x + <usize>(image * h * w) * cin * F;
      addresses(table, PATCH, from, row * 4 - padTop, column * 4 - padLeft, h, w, cin * F, zeros);
      for (let c: usize = 0; c < cin; c += 4) {
        const to = patches + ((c / 4) * block + i) * V;
        if (cin - c >= 4) inputTile(constants, to, patchStep, table, c * F, 4, half);
        else inputTilePart(constants, to, patchStep, table, c * F, cin - c, half);
      }
      const gradient = dy + <usize>(image * oh * ow) * cout * F;
      addresses(table, TILE, gradient, row * 4, column * 4, oh, ow, cout * F, zeros);
      for (let c: usize = 0; c < cout; c += 4) {
        const to = products + ((c / COLUMNS) * block + i) * COLUMNS * F + (c % COLUMNS) * F;
        if (cout - c >= 4) outputGradientTile(constants, to, productStep, table, c * F, 4, half);
        else outputGradientTilePart(constants, to, productStep, table, c * F, cout - c, half);
      }
    }
    for (let point: usize = 0; point < POINTS; point++) {
      const c = du + point * gradientStep;
      tiles(
        patches + point * patchStep,
        block * V,
        products + point * productStep,
        block * COLUMNS * F,
        ci,
        co,
        here,
        c,
        co * F,
        first === 0 ? zeros : c,
        first === 0 ? 0 : co * F,
        0,
      );
    }
  }

  const zero = f32x4.splat(0);
  let check = zero;
  const step = gradientStep;
  for (let i: usize = 0; i < cin; i++) {
    for (let c: usize = 0; c < cout; c += 4) {
      const from = du + (i * co + c) * F;
      for (let j: usize = 0; j < PATCH; j++) {
        const p = from + j * step;
        filterGradientLine(
        constants,
          half + j * V,
          PATCH * V,
          v128.load(p),
          v128.load(p + 6 * step),
          v128.load(p + 12 * step),
          v128.load(p + 18 * step),
          v128.load(p + 24 * step),
          v128.load(p + 30 * step),
        );
      }
      for (let j: usize = 0; j < 3; j++) {
        const p = half + j * PATCH * V;
        filterGradientLine(constants, table, V, v128.load(p), v128.load(p, 16), v128.load(p, 32), v128.load(p, 48), v128.load(p, 64), v128.load(p, 80));
        for (let k: usize = 0; k < 3; k++) {
          const value = v128.load(table + k * V);
          check = plus(check, f32x4.mul(value, zero));
          store(dw + (((j * 3 + k) * cin + i) * cout + c) * F, value, cout - c);
        }
      }
    }
  }
  return !v128.any_true(f32x4.ne(check, check));
}
