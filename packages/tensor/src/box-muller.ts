// Logarithm, sine and cosine from +, −, × and ÷ alone: those are exact in IEEE 754, so every engine and every kernel
// draws the same bits, which Math.log and Math.cos do not promise.

const QUARTER_TURN = Math.PI / 2 ** 31;

/** ln((word + 1) / 2³²) for an unsigned 32-bit word. */
function logOfWord(word: number): number {
  const n = word + 1;
  let exponent = n === 2 ** 32 ? 32 : 31 - Math.clz32(n);
  let mantissa = n / 2 ** exponent;
  if (mantissa > Math.SQRT2) {
    mantissa /= 2;
    exponent += 1;
  }
  // ln m = 2 artanh(s) with |s| < 0.172: eight terms are good to 1e-14.
  const s = (mantissa - 1) / (mantissa + 1);
  const q = s * s;
  const series =
    1 + q * (1 / 3 + q * (1 / 5 + q * (1 / 7 + q * (1 / 9 + q * (1 / 11 + q * (1 / 13 + q * (1 / 15)))))));
  return (exponent - 32) * Math.LN2 + 2 * s * series;
}

/** Taylor series on |x| ≤ π/4, good to 3e-14; the cosine's to 2e-15. */
function sine(x: number): number {
  const q = x * x;
  return (
    x *
    (1 +
      q *
        (-1 / 6 +
          q * (1 / 120 + q * (-1 / 5040 + q * (1 / 362880 + q * (-1 / 39916800 + q * (1 / 6227020800)))))))
  );
}

function cosine(x: number): number {
  const q = x * x;
  return (
    1 +
    q *
      (-1 / 2 +
        q *
          (1 / 24 +
            q *
              (-1 / 720 +
                q * (1 / 40320 + q * (-1 / 3628800 + q * (1 / 479001600 + q * (-1 / 87178291200)))))))
  );
}

/**
 * Two independent standard normals from two uniform words (Box and Muller 1958), written at `out[i]` and `out[i + 1]`:
 * √(−2 ln u₁) · (cos 2πu₂, sin 2πu₂), with u₁ in (0, 1].
 */
export function boxMuller(out: Float64Array, i: number, word1: number, word2: number): void {
  const radius = Math.sqrt(-2 * logOfWord(word1));
  const quadrant = ((word2 + 0x20000000) >>> 30) & 3;
  const angle = ((word2 - quadrant * 0x40000000) | 0) * QUARTER_TURN;
  const c = radius * cosine(angle);
  const s = radius * sine(angle);
  out[i] = quadrant === 0 ? c : quadrant === 1 ? -s : quadrant === 2 ? -c : s;
  out[i + 1] = quadrant === 0 ? s : quadrant === 1 ? c : quadrant === 2 ? -s : -c;
}
