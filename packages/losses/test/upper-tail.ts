/** 1 − Φ(z) in float64: the power series about 0 up to |z| = 3, and the continued fraction beyond. */
export function upperTail(z: number): number {
  if (z < 0) return 1 - upperTail(-z);
  const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
  if (z < 3) {
    let term = z;
    let sum = z;
    for (let n = 1; term > 1e-18 * sum; n++) {
      term *= (z * z) / (2 * n + 1);
      sum += term;
    }
    return 0.5 - density * sum;
  }
  let fraction = 0;
  for (let k = 400; k >= 1; k--) fraction = k / (z + fraction);
  return density / (z + fraction);
}

/** ln(1 − Φ(z)) in float64, where 1 − Φ(z) itself may be less than any number. */
export function logUpperTail(z: number): number {
  if (z < 0) return Math.log1p(-upperTail(-z));
  if (z < 3) return Math.log(upperTail(z));
  let fraction = 0;
  for (let k = 400; k >= 1; k--) fraction = k / (z + fraction);
  return -(z * z + Math.log(2 * Math.PI)) / 2 - Math.log(z + fraction);
}
