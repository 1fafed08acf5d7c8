// V8 rebuilds a vector constant from integer registers wherever it is used, inside of loops too; a load is cheaper. So
// the constants lie in memory that the host gives once. They are addressed relative to `constantTable()`.

let constants: usize = 0;

/** Bytes that `setConstants` needs. */
export function constantsSize(): usize {
  return 33 * 16;
}

/** Where the constants are: to be read once before a loop, since V8 reads a global anew at every use. */
@inline
export function constantTable(): usize {
  return constants;
}

// For eˣ.
export const LARGEST: usize = 0;
export const SMALLEST: usize = 16;
export const LOG2E: usize = 32;
export const ROUNDER: usize = 48;
export const LN2_HIGH: usize = 64;
export const LN2_LOW: usize = 80;
export const C5: usize = 96;
export const C4: usize = 112;
export const C3: usize = 128;
export const C2: usize = 144;
export const C1: usize = 160;
export const C0: usize = 176;
export const ONE: usize = 192;
export const BIAS: usize = 208;

// For Winograd's transformations with the points 0, ±P, ±Q, ∞.
export const P: usize = 224;
export const P2: usize = 240;
export const P3: usize = 256;
export const Q: usize = 272;
export const Q2: usize = 288;
export const Q3: usize = 304;
export const P2_PLUS_Q2: usize = 320;
export const P2_Q2: usize = 336;
/** What G divides by at each point, and that times the point. */
export const AT_0: usize = 352;
export const AT_P: usize = 368;
export const P_AT_P: usize = 384;
export const AT_Q: usize = 400;
export const Q_AT_Q: usize = 416;

// For σ(x), e⁻ˣ being 2ᵗ = 2ⁿ 2ᶠ: the range of t, what added to n leaves n + 127 in the low bits, and the minimax
// quotient 2ᶠ = (f² + EVEN + ODD f) / (f² + EVEN − ODD f).
export const MINUS_LOG2E: usize = 432;
export const GREATEST: usize = 448;
export const LEAST: usize = 464;
export const BIASED: usize = 480;
export const EVEN: usize = 496;
export const ODD: usize = 512;

/** Writes the constants at `to`, which stays theirs. */
export function setConstants(to: usize): void {
  constants = to;
  setFloat(LARGEST, 89);
  setFloat(SMALLEST, -104);
  setFloat(LOG2E, 1.44269504);
  setFloat(ROUNDER, 12582912);
  setFloat(LN2_HIGH, 0.693359375);
  setFloat(LN2_LOW, -2.1219444e-4);
  setFloat(C5, 1.98756915e-4);
  setFloat(C4, 1.3981999507e-3);
  setFloat(C3, 8.3334519073e-3);
  setFloat(C2, 4.1665795894e-2);
  setFloat(C1, 1.6666665459e-1);
  setFloat(C0, 5.0000001201e-1);
  setFloat(ONE, 1);
  setFloat(MINUS_LOG2E, -1.44269504);
  setFloat(GREATEST, 128);
  setFloat(LEAST, -126);
  setFloat(BIASED, 12582912 + 127);
  setFloat(EVEN, 25.039106679722153);
  setFloat(ODD, 8.677838838049247);
  v128.store(constants + BIAS, i32x4.splat(127));
  const p = 0.625;
  const q = 1.5;
  const atP = 1 / (2 * p * p * (p * p - q * q));
  const atQ = 1 / (2 * q * q * (q * q - p * p));
  setFloat(P, p);
  setFloat(P2, p * p);
  setFloat(P3, p * p * p);
  setFloat(Q, q);
  setFloat(Q2, q * q);
  setFloat(Q3, q * q * q);
  setFloat(P2_PLUS_Q2, p * p + q * q);
  setFloat(P2_Q2, p * p * q * q);
  setFloat(AT_0, 1 / (p * p * q * q));
  setFloat(AT_P, atP);
  setFloat(P_AT_P, p * atP);
  setFloat(AT_Q, atQ);
  setFloat(Q_AT_Q, q * atQ);
}

function setFloat(at: usize, value: f64): void {
  v128.store(constants + at, f32x4.splat(<f32>value));
}
