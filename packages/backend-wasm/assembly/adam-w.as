// One step of AdamW over a list of tensors. A record of the list is ten words: the addresses of param, grad, m, v and
// ema, those of the new param, m, v and ema, and the number of elements.

import { F, least, load, store, sumLanes } from './vector';

const RECORD: usize = 40;
/** Squares of params that are added up in float32 before float64 takes over. */
const BLOCK: usize = 1024;

/** The sum of squares of all gradients. */
export function squaredNorm(list: usize, count: usize): f64 {
  let total = f64x2.splat(0);
  for (let i: usize = 0; i < count; i++) {
    const record = list + i * RECORD;
    const grad = <usize>(<u32>i32.load(record, 4));
    const size = <usize>i32.load(record, 36);
    for (let j: usize = 0; j < size; j += 4) {
      const g = load(grad + j * F, size - j);
      const low = f64x2.promote_low_f32x4(g);
      const high = f64x2.promote_low_f32x4(i64x2.shuffle(g, g, 1, 1));
      total = f64x2.add(total, f64x2.add(f64x2.mul(low, low), f64x2.mul(high, high)));
    }
  }
  return f64x2.extract_lane(total, 0) + f64x2.extract_lane(total, 1);
}

/**
 * One step, and the sum of squares of all new params:
 * g ← clip g, m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², p ← decay p − rate m / (correction √v + epsilon),
 * ema ← ema + (1 − emaDecay) (p − ema).
 */
export function adamW(
  list: usize,
  count: usize,
  clip: f32,
  beta1: f32,
  rest1: f32,
  beta2: f32,
  rest2: f32,
  decay: f32,
  rate: f32,
  correction: f32,
  epsilon: f32,
  hasEma: bool,
  emaRest: f32,
): f64 {
  let total: f64 = 0;
  for (let i: usize = 0; i < count; i++) {
    const record = list + i * RECORD;
    const param = address(record);
    const grad = address(record + 4);
    const m = address(record + 8);
    const v = address(record + 12);
    const ema = address(record + 16);
    const newParam = address(record + 20);
    const newM = address(record + 24);
    const newV = address(record + 28);
    const newEma = address(record + 32);
    const size = address(record + 36);
    for (let begin: usize = 0; begin < size; begin += BLOCK) {
      const end = least(begin + BLOCK, size);
      let squares = f32x4.splat(0);
      for (let j = begin; j < end; j += 4) {
        const at = j * F;
        const lanes = size - j;
        const g = f32x4.mul(load(grad + at, lanes), f32x4.splat(clip));
        const mj = f32x4.add(
          f32x4.mul(load(m + at, lanes), f32x4.splat(beta1)),
          f32x4.mul(g, f32x4.splat(rest1)),
        );
        const vj = f32x4.add(
          f32x4.mul(load(v + at, lanes), f32x4.splat(beta2)),
          f32x4.mul(f32x4.mul(g, g), f32x4.splat(rest2)),
        );
        const deviation = f32x4.add(f32x4.mul(f32x4.sqrt(vj), f32x4.splat(correction)), f32x4.splat(epsilon));
        const p = f32x4.sub(
          f32x4.mul(load(param + at, lanes), f32x4.splat(decay)),
          f32x4.mul(f32x4.div(mj, deviation), f32x4.splat(rate)),
        );
        store(newM + at, mj, lanes);
        store(newV + at, vj, lanes);
        store(newParam + at, p, lanes);
        // Beyond the end of the tensor there is nothing, whatever was computed there.
        const kept = lanes < 4 ? load(newParam + at, lanes) : p;
        squares = f32x4.add(squares, f32x4.mul(kept, kept));
        if (hasEma) {
          const e = load(ema + at, lanes);
          store(newEma + at, f32x4.add(e, f32x4.mul(f32x4.sub(p, e), f32x4.splat(emaRest))), lanes);
        }
      }
      total += <f64>sumLanes(squares);
    }
  }
  return total;
}

@inline
function address(at: usize): usize {
  return <usize>(<u32>i32.load(at));
}
