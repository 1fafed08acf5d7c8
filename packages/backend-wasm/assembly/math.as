// eˣ and what is made of it, four at a time, from polynomials: a module without data has no tables.

import {
  BIAS, C0, C1, C2, C3, C4, C5, LARGEST, LN2_HIGH, LN2_LOW, LOG2E, ONE, ROUNDER, SMALLEST,
} from './constants';
import { addProduct, subtractProduct } from './vector';

/** eˣ within 2 ulp, k being `constantTable()`; 0 and ∞ where float32 ends, NaN for NaN. */
@inline
export function exp4(x: v128, k: usize): v128 {
  x = f32x4.pmax(f32x4.pmin(x, v128.load(k, LARGEST)), v128.load(k, SMALLEST));
  // Adding 1.5 · 2²³ rounds to a whole number, which then stands in the low bits.
  const shifted = addProduct(v128.load(k, ROUNDER), x, v128.load(k, LOG2E));
  const n = f32x4.sub(shifted, v128.load(k, ROUNDER));
  const whole = i32x4.sub(shifted, v128.load(k, ROUNDER));
  let r = subtractProduct(x, n, v128.load(k, LN2_HIGH));
  r = subtractProduct(r, n, v128.load(k, LN2_LOW));
  // In pairs, so that no long chain of sums has to be waited for.
  const r2 = f32x4.mul(r, r);
  const high = addProduct(v128.load(k, C4), r, v128.load(k, C5));
  const middle = addProduct(v128.load(k, C2), r, v128.load(k, C3));
  const low = addProduct(v128.load(k, C0), r, v128.load(k, C1));
  let p = addProduct(low, addProduct(middle, high, r2), r2);
  p = addProduct(f32x4.add(r, v128.load(k, ONE)), p, r2);
  // 2ⁿ in two factors, so that neither leaves the range of float32 before the product does.
  const half = i32x4.shr_s(whole, 1);
  p = f32x4.mul(p, i32x4.shl(i32x4.add(half, v128.load(k, BIAS)), 23));
  return f32x4.mul(p, i32x4.shl(i32x4.add(i32x4.sub(whole, half), v128.load(k, BIAS)), 23));
}

/**
 * σ(x) = 1 / (1 + e⁻ˣ), off by less than 6e-7 and what one unit in the last place of x comes to; 0 below −85.6, where it
 * is less than 1e-37. e⁻ˣ is 2ⁿ 2ᶠ with |f| ≤ ½, and 2ᶠ is (u + v) / (u − v), u = f² + even, v = odd f, within 4.4e-7: one
 * division does for both quotients. The arguments behind x are constants, to be read before a loop: then V8 keeps them
 * in registers.
 */
@inline
export function sigmoid4(
  x: v128, rate: v128, greatest: v128, smallest: v128, biased: v128, even: v128, odd: v128,
): v128 {
  return sigmoidOfPower(f32x4.pmax(f32x4.pmin(f32x4.mul(x, rate), greatest), smallest), biased, even, odd);
}

/** 1 / (1 + 2ᵗ) for t from −126 to 128. */
@inline
export function sigmoidOfPower(t: v128, biased: v128, even: v128, odd: v128): v128 {
  const n = f32x4.nearest(t);
  // The low bits of n + 1.5 · 2²³ + 127 are n + 127, the exponent of 2ⁿ; that of 2¹²⁸ is that of ∞.
  const power = i32x4.shl(f32x4.add(n, biased), 23);
  const f = f32x4.sub(t, n);
  const u = f32x4.add(f32x4.mul(f, f), even);
  const v = f32x4.mul(f, odd);
  const w = f32x4.sub(u, v);
  return f32x4.div(w, f32x4.add(w, f32x4.mul(f32x4.add(u, v), power)));
}

/** The derivative of x σ(x) where s = σ(x). */
@inline
export function siluSlope4(x: v128, s: v128, one: v128): v128 {
  return f32x4.mul(s, f32x4.add(one, f32x4.mul(x, f32x4.sub(one, s))));
}
