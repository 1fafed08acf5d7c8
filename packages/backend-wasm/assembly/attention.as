// softmax(q kᵀ / √D) v, one head and one block of queries at a time: no more scores than a block are ever in memory.

import { constantTable } from './constants';
import { gemm, gemmScratch, roomyGemm } from './gemm';
import { exp4 } from './math';
import { COLUMNS } from './tile';
import { addProduct, clear, F, least, load, roundUp, store, sumLanes } from './vector';

const QUERIES: usize = 64;

/** Numbers from one row of scores to the next: there is room for whole tiles. */
@inline
function pitchOf(keys: usize): usize {
  return roundUp(keys, COLUMNS);
}

/** Bytes of scratch for `keys` keys and `depth` numbers a head. */
export function attentionScratch(keys: usize, depth: usize): f64 {
  return <f64>gemmScratch() + ((2 * <f64>QUERIES + 1) * <f64>pitchOf(keys) + <f64>depth + 8) * <f64>F;
}

/** scores[rows][keys] = q kᵀ, `pitchOf(keys)` numbers from row to row. */
@inline
function product(
  q: usize, k: usize, scores: usize, rows: usize, keys: usize, depth: usize, zeros: usize, scratch: usize,
): void {
  const row = pitchOf(keys) * F;
  roomyGemm(q, depth * F, F, k, F, depth * F, scores, row, rows, keys, depth, zeros, 0, scratch);
}

/** The softmax of `factor` times one row, in place; returns the logarithm of the sum of exponentials. */
function softmaxRow(row: usize, count: usize, factor: f32): f64 {
  if (count === 0) return -Infinity;
  const constants = constantTable();
  // A NaN may get lost here: it comes back with its exponential.
  let most = f32x4.splat(f32.load(row));
  for (let i: usize = 0; i + 4 <= count; i += 4) most = f32x4.pmax(most, v128.load(row + i * F));
  let largest = max(
    max(f32x4.extract_lane(most, 0), f32x4.extract_lane(most, 1)),
    max(f32x4.extract_lane(most, 2), f32x4.extract_lane(most, 3)),
  );
  for (let i = count & ~3; i < count; i++) largest = max(largest, f32.load(row + i * F));
  const shift = f32x4.splat(largest * factor);
  const scale = f32x4.splat(factor);
  let sums = f32x4.splat(0);
  for (let i: usize = 0; i < count; i += 4) {
    const e = exp4(f32x4.sub(f32x4.mul(load(row + i * F, count - i), scale), shift), constants);
    store(row + i * F, e, count - i);
    if (count - i >= 4) sums = f32x4.add(sums, e);
  }
  let sum = sumLanes(sums);
  for (let i = count & ~3; i < count; i++) sum += f32.load(row + i * F);
  const inverse = f32x4.splat(1 / sum);
  for (let i: usize = 0; i < count; i += 4) {
    store(row + i * F, f32x4.mul(load(row + i * F, count - i), inverse), count - i);
  }
  return <f64>(largest * factor) + log(<f64>sum);
}

/** ln x for x > 0, from artanh. */
export function log(x: f64): f64 {
  if (!(x < Infinity)) return x;
  const bits = reinterpret<u64>(x);
  let exponent = <i32>((bits >> 52) & 0x7ff) - 1023;
  let mantissa = reinterpret<f64>((bits & 0xfffffffffffff) | 0x3ff0000000000000);
  if (mantissa > 1.4142135623730951) {
    mantissa *= 0.5;
    exponent += 1;
  }
  const s = (mantissa - 1) / (mantissa + 1);
  const t = s * s;
  const series =
    1 + t * (1.0 / 3 + t * (1.0 / 5 + t * (1.0 / 7 + t * (1.0 / 9 + t * (1.0 / 11 + t * (1.0 / 13 + t * (1.0 / 15)))))));
  return <f64>exponent * 0.6931471805599453 + 2 * s * series;
}

/** y[heads][queries][depth] and the log-sum-exp of every row of scores, from q, k and v. */
export function attention(
  q: usize,
  k: usize,
  v: usize,
  y: usize,
  logSumExp: usize,
  heads: usize,
  queries: usize,
  keys: usize,
  depth: usize,
  scratch: usize,
): void {
  const factor = <f32>(1 / Math.sqrt(<f64>depth));
  const scores = scratch + gemmScratch();
  const row = pitchOf(keys) * F;
  const zeros = scores + 2 * QUERIES * row;
  const line = depth * F;
  clear(zeros, pitchOf(keys) + depth);
  for (let head: usize = 0; head < heads; head++) {
    for (let first: usize = 0; first < queries; first += QUERIES) {
      const rows = least(QUERIES, queries - first);
      product(q + first * line, k, scores, rows, keys, depth, zeros, scratch);
      for (let i: usize = 0; i < rows; i++) {
        f32.store(logSumExp + (first + i) * F, <f32>softmaxRow(scores + i * row, keys, factor));
      }
      gemm(scores, row, F, v, line, F, y + first * line, line, rows, depth, keys, zeros, 0, scratch);
    }
    q += queries * line;
    y += queries * line;
    k += keys * line;
    v += keys * line;
    logSumExp += queries * F;
  }
}

/** The gradients for q, k and v. */
export function attentionGradient(
  dy: usize,
  q: usize,
  k: usize,
  v: usize,
  logSumExp: usize,
  dq: usize,
  dk: usize,
  dv: usize,
  heads: usize,
  queries: usize,
  keys: usize,
  depth: usize,
  scratch: usize,
): void {
  const constants = constantTable();
  const factor = <f32>(1 / Math.sqrt(<f64>depth));
  const weights = scratch + gemmScratch();
  const row = pitchOf(keys) * F;
  const slopes = weights + QUERIES * row;
  const zeros = slopes + QUERIES * row;
  const line = depth * F;
  clear(zeros, pitchOf(keys) + depth);
  for (let head: usize = 0; head < heads; head++) {
    for (let first: usize = 0; first < queries; first += QUERIES) {
      const rows = least(QUERIES, queries - first);
      const dyBlock = dy + first * line;
      const qBlock = q + first * line;
      product(qBlock, k, weights, rows, keys, depth, zeros, scratch);
      product(dyBlock, v, slopes, rows, keys, depth, zeros, scratch);
      for (let i: usize = 0; i < rows; i++) {
        const shift = f32x4.splat(f32.load(logSumExp + (first + i) * F));
        const scale = f32x4.splat(factor);
        const w = weights + i * row;
        const s = slopes + i * row;
        let sums = f32x4.splat(0);
        for (let j: usize = 0; j < keys; j += 4) {
          const rest = keys - j;
          const weight = exp4(f32x4.sub(f32x4.mul(load(w + j * F, rest), scale), shift), constants);
          store(w + j * F, weight, rest);
          sums = addProduct(sums, weight, load(s + j * F, rest));
        }
        const mean = f32x4.splat(sumLanes(sums));
        for (let j: usize = 0; j < keys; j += 4) {
          const rest = keys - j;
          const slope = f32x4.mul(f32x4.sub(load(s + j * F, rest), mean), scale);
          store(s + j * F, f32x4.mul(load(w + j * F, rest), slope), rest);
        }
      }
      // Both sums over the queries go on from block to block.
      const start = first === 0;
      const stride: usize = start ? 0 : line;
      gemm(slopes, row, F, k, line, F, dq + first * line, line, rows, depth, keys, zeros, 0, scratch);
      gemm(slopes, F, row, qBlock, line, F, dk, line, keys, depth, rows, start ? zeros : dk, stride, scratch);
      gemm(weights, F, row, dyBlock, line, F, dv, line, keys, depth, rows, start ? zeros : dv, stride, scratch);
    }
    dy += queries * line;
    q += queries * line;
    dq += queries * line;
    k += keys * line;
    v += keys * line;
    dk += keys * line;
    dv += keys * line;
    logSumExp += queries * F;
  }
}
