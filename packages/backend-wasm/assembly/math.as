// eˣ and what is made of it, four at a time, from polynomials: a module without data has no tables.

import {
  BIAS, BIASED_ROUNDER, C0, C1, C2, C3, C4, C5, GREATEST, LARGEST, LEAST, LN2_HIGH, LN2_LOW, LOG2E, MINUS_LOG2E, ONE,
  ROUNDER, S0, S1, S2, S3, S4, S5, SMALLEST,
} from './constants';

/** eˣ within 2 ulp, k being `constantTable()`; 0 and ∞ where float32 ends, NaN for NaN. */
@inline
export function exp4(x: v128, k: usize): v128 {
  x = f32x4.pmax(f32x4.pmin(x, v128.load(k, LARGEST)), v128.load(k, SMALLEST));
  // Adding 1.5 · 2²³ rounds to a whole number, which then stands in the low bits.
  const shifted = f32x4.add(f32x4.mul(x, v128.load(k, LOG2E)), v128.load(k, ROUNDER));
  const n = f32x4.sub(shifted, v128.load(k, ROUNDER));
  const whole = i32x4.sub(shifted, v128.load(k, ROUNDER));
  let r = f32x4.sub(x, f32x4.mul(n, v128.load(k, LN2_HIGH)));
  r = f32x4.sub(r, f32x4.mul(n, v128.load(k, LN2_LOW)));
  // In pairs, so that no long chain of sums has to be waited for.
  const r2 = f32x4.mul(r, r);
  const high = f32x4.add(f32x4.mul(r, v128.load(k, C5)), v128.load(k, C4));
  const middle = f32x4.add(f32x4.mul(r, v128.load(k, C3)), v128.load(k, C2));
  const low = f32x4.add(f32x4.mul(r, v128.load(k, C1)), v128.load(k, C0));
  let p = f32x4.add(f32x4.mul(f32x4.add(f32x4.mul(high, r2), middle), r2), low);
  p = f32x4.add(f32x4.mul(p, r2), f32x4.add(r, v128.load(k, ONE)));
  // 2ⁿ in two factors, so that neither leaves the range of float32 before the product does.
  const half = i32x4.shr_s(whole, 1);
  p = f32x4.mul(p, i32x4.shl(i32x4.add(half, v128.load(k, BIAS)), 23));
  return f32x4.mul(p, i32x4.shl(i32x4.add(i32x4.sub(whole, half), v128.load(k, BIAS)), 23));
}

/**
 * σ(x) = 1 / (1 + e⁻ˣ), 0 from where it would be subnormal. Beside the 1, e⁻ˣ needs neither a small end nor the last
 * bit, which saves a third of the work.
 */
@inline
export function sigmoid4(x: v128, k: usize): v128 {
  const z = f32x4.pmax(f32x4.pmin(x, v128.load(k, GREATEST)), v128.load(k, LEAST));
  // e⁻ᶻ = 2ⁿ e⁻ʳ; the low bits of `shifted` are n + 127, the exponent of 2ⁿ, and that of ∞ for n = 128.
  const shifted = f32x4.add(f32x4.mul(z, v128.load(k, MINUS_LOG2E)), v128.load(k, BIASED_ROUNDER));
  const n = f32x4.sub(shifted, v128.load(k, BIASED_ROUNDER));
  let r = f32x4.add(z, f32x4.mul(n, v128.load(k, LN2_HIGH)));
  r = f32x4.add(r, f32x4.mul(n, v128.load(k, LN2_LOW)));
  const r2 = f32x4.mul(r, r);
  const high = f32x4.add(f32x4.mul(r, v128.load(k, S5)), v128.load(k, S4));
  const middle = f32x4.add(f32x4.mul(r, v128.load(k, S3)), v128.load(k, S2));
  const low = f32x4.add(f32x4.mul(r, v128.load(k, S1)), v128.load(k, S0));
  const p = f32x4.add(f32x4.mul(f32x4.add(f32x4.mul(high, r2), middle), r2), low);
  const e = f32x4.mul(p, i32x4.shl(shifted, 23));
  return f32x4.div(v128.load(k, ONE), f32x4.add(v128.load(k, ONE), e));
}

/** The derivative of x σ(x) where s = σ(x). */
@inline
export function siluSlope4(x: v128, s: v128, k: usize): v128 {
  return f32x4.mul(s, f32x4.add(v128.load(k, ONE), f32x4.mul(x, f32x4.sub(v128.load(k, ONE), s))));
}
