// The heart of every product: a 4×8 tile of C kept in eight registers. A larger tile spills in V8.

import { addProduct, F, least, load, store, storeTransposed } from './vector';

/** Rows and columns of the register tile. */
export const ROWS: usize = 4;
export const COLUMNS: usize = 8;

/**
 * c[4][8] = init[4][8] + Σ_k a[k][4] · b[k][8]; strides in bytes. `init` may be `c` itself (to accumulate), or a row of
 * zeros or of biases with stride 0.
 */
@inline
export function tile(
  a: usize,
  b: usize,
  k: usize,
  c: usize,
  cStride: usize,
  init: usize,
  initStride: usize,
): void {
  let c00 = v128.load(init);
  let c01 = v128.load(init, 16);
  init += initStride;
  let c10 = v128.load(init);
  let c11 = v128.load(init, 16);
  init += initStride;
  let c20 = v128.load(init);
  let c21 = v128.load(init, 16);
  init += initStride;
  let c30 = v128.load(init);
  let c31 = v128.load(init, 16);
  const end = a + k * 16;
  while (a < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const a0 = v128.load32_splat(a);
    c00 = addProduct(c00, a0, b0);
    c01 = addProduct(c01, a0, b1);
    const a1 = v128.load32_splat(a, 4);
    c10 = addProduct(c10, a1, b0);
    c11 = addProduct(c11, a1, b1);
    const a2 = v128.load32_splat(a, 8);
    c20 = addProduct(c20, a2, b0);
    c21 = addProduct(c21, a2, b1);
    const a3 = v128.load32_splat(a, 12);
    c30 = addProduct(c30, a3, b0);
    c31 = addProduct(c31, a3, b1);
    a += 16;
    b += 32;
  }
  v128.store(c, c00);
  v128.store(c, c01, 16);
  c += cStride;
  v128.store(c, c10);
  v128.store(c, c11, 16);
  c += cStride;
  v128.store(c, c20);
  v128.store(c, c21, 16);
  c += cStride;
  v128.store(c, c30);
  v128.store(c, c31, 16);
}

/** As `tile` for the first `rows` × `columns` of the tile; `corner` is scratch of 4×8 floats. */
export function tileCorner(
  a: usize,
  b: usize,
  k: usize,
  c: usize,
  cStride: usize,
  init: usize,
  initStride: usize,
  rows: usize,
  columns: usize,
  corner: usize,
): void {
  copyCorner(corner, 32, init, initStride, rows, columns);
  tile(a, b, k, corner, 32, corner, 32);
  copyCorner(c, cStride, corner, 32, rows, columns);
}

function copyCorner(to: usize, toStride: usize, from: usize, fromStride: usize, rows: usize, columns: usize): void {
  for (let i: usize = 0; i < rows; i++) {
    for (let j: usize = 0; j < columns; j += 4) {
      store(to + i * toStride + j * F, load(from + i * fromStride + j * F, columns - j), columns - j);
    }
  }
}

/**
 * C[m][n] = init + A · B for A packed in groups of four rows (`a + i · aGroup`) and B in panels of eight columns
 * (`b + j · bPanel`), both k deep. `corner` is scratch of 4×8 floats, or 0 where C, and init, have room for whole tiles.
 */
export function tiles(
  a: usize,
  aGroup: usize,
  b: usize,
  bPanel: usize,
  m: usize,
  n: usize,
  k: usize,
  c: usize,
  cStride: usize,
  init: usize,
  initStride: usize,
  corner: usize,
): void {
  for (let j: usize = 0; j < n; j += COLUMNS) {
    const columns = least(COLUMNS, n - j);
    let ai = a;
    let ci = c + j * F;
    let ii = init + j * F;
    for (let i: usize = 0; i < m; i += ROWS) {
      const rows = least(ROWS, m - i);
      if (corner === 0 || (rows === ROWS && columns === COLUMNS)) tile(ai, b, k, ci, cStride, ii, initStride);
      else tileCorner(ai, b, k, ci, cStride, ii, initStride, rows, columns, corner);
      ai += aGroup;
      ci += ROWS * cStride;
      ii += ROWS * initStride;
    }
    b += bPanel;
  }
}

/**
 * Packs a matrix x[n][k] (strides in bytes, one of them 4) into groups of `width` (4 or 8) rows, k deep:
 * dst[n / width][k][width]. Rows beyond n are zero.
 */
export function pack(dst: usize, width: usize, x: usize, n: usize, k: usize, nStride: usize, kStride: usize): void {
  const step = width * F;
  for (let i: usize = 0; i < n; i += width) {
    for (let half: usize = 0; half < width; half += 4) {
      const from = x + (i + half) * nStride;
      const to = dst + half * F;
      const count: usize = i + half < n ? n - i - half : 0;
      if (count === 0) fillZero(to, step, k);
      else if (nStride === F) packColumns(to, step, from, count, k, kStride);
      else packRows(to, step, from, count, k, nStride, kStride);
    }
    dst += k * step;
  }
}

function fillZero(to: usize, step: usize, k: usize): void {
  for (let i: usize = 0; i < k; i++) {
    v128.store(to, f32x4.splat(0));
    to += step;
  }
}

function packColumns(to: usize, step: usize, from: usize, count: usize, k: usize, kStride: usize): void {
  if (count >= 4) {
    for (let i: usize = 0; i < k; i++) {
      v128.store(to, v128.load(from));
      to += step;
      from += kStride;
    }
  } else {
    for (let i: usize = 0; i < k; i++) {
      v128.store(to, load(from, count));
      to += step;
      from += kStride;
    }
  }
}

function packRows(to: usize, step: usize, from: usize, count: usize, k: usize, nStride: usize, kStride: usize): void {
  // A missing row repeats the first: its products are thrown away.
  const r0 = from;
  const r1 = count > 1 ? from + nStride : from;
  const r2 = count > 2 ? from + 2 * nStride : from;
  const r3 = count > 3 ? from + 3 * nStride : from;
  let i: usize = 0;
  if (kStride === F) {
    for (; i + 4 <= k; i += 4) {
      const o = i * F;
      storeTransposed(to, step, v128.load(r0 + o), v128.load(r1 + o), v128.load(r2 + o), v128.load(r3 + o));
      to += 4 * step;
    }
  }
  for (; i < k; i++) {
    const o = i * kStride;
    f32.store(to, f32.load(r0 + o));
    f32.store(to, f32.load(r1 + o), 4);
    f32.store(to, f32.load(r2 + o), 8);
    f32.store(to, f32.load(r3 + o), 12);
    to += step;
  }
}
