// Matrix products of any orientation: blocks packed for the caches, then register tiles.

import { COLUMNS, pack, ROWS, tiles } from './tile';
import { copy, F, least } from './vector';

const K_BLOCK: usize = 256;
const M_BLOCK: usize = 128;
const N_BLOCK: usize = 512;

/** Bytes of scratch that `gemm` needs. */
export function gemmScratch(): usize {
  return (K_BLOCK * N_BLOCK + M_BLOCK * K_BLOCK + ROWS * COLUMNS) * F;
}

/**
 * C[m][n] = init + A[m][k] · B[k][n]. Strides in bytes; of each matrix one stride is 4, C is contiguous along n.
 * `init` is `c` to accumulate, or one row (stride 0) of n zeros or biases.
 */
export function gemm(
  a: usize,
  aRow: usize,
  aColumn: usize,
  b: usize,
  bRow: usize,
  bColumn: usize,
  c: usize,
  cStride: usize,
  m: usize,
  n: usize,
  k: usize,
  init: usize,
  initStride: usize,
  scratch: usize,
): void {
  const corner = scratch + (K_BLOCK * N_BLOCK + M_BLOCK * K_BLOCK) * F;
  blocks(a, aRow, aColumn, b, bRow, bColumn, c, cStride, m, n, k, init, initStride, scratch, corner);
}

/** `gemm` where C, and init, have room for whole tiles of 4×8: what stands there beyond m and n is lost. */
export function roomyGemm(
  a: usize,
  aRow: usize,
  aColumn: usize,
  b: usize,
  bRow: usize,
  bColumn: usize,
  c: usize,
  cStride: usize,
  m: usize,
  n: usize,
  k: usize,
  init: usize,
  initStride: usize,
  scratch: usize,
): void {
  blocks(a, aRow, aColumn, b, bRow, bColumn, c, cStride, m, n, k, init, initStride, scratch, 0);
}

function blocks(
  a: usize,
  aRow: usize,
  aColumn: usize,
  b: usize,
  bRow: usize,
  bColumn: usize,
  c: usize,
  cStride: usize,
  m: usize,
  n: usize,
  k: usize,
  init: usize,
  initStride: usize,
  scratch: usize,
  corner: usize,
): void {
  if (k === 0) {
    // A sum of nothing.
    for (let i: usize = 0; i < m; i++) copy(c + i * cStride, init + i * initStride, n);
    return;
  }
  const packedB = scratch;
  const packedA = packedB + K_BLOCK * N_BLOCK * F;
  for (let j: usize = 0; j < n; j += N_BLOCK) {
    const nj = least(N_BLOCK, n - j);
    for (let l: usize = 0; l < k; l += K_BLOCK) {
      const kl = least(K_BLOCK, k - l);
      pack(packedB, COLUMNS, b + l * bRow + j * bColumn, nj, kl, bColumn, bRow);
      const from = l === 0 ? init : c;
      const fromStride = l === 0 ? initStride : cStride;
      for (let i: usize = 0; i < m; i += M_BLOCK) {
        const mi = least(M_BLOCK, m - i);
        pack(packedA, ROWS, a + i * aRow + l * aColumn, mi, kl, aRow, aColumn);
        tiles(
          packedA,
          kl * ROWS * F,
          packedB,
          kl * COLUMNS * F,
          mi,
          nj,
          kl,
          c + i * cStride + j * F,
          cStride,
          from + i * fromStride + j * F,
          fromStride,
          corner,
        );
      }
    }
  }
}
