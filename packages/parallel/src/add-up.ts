/** Numbers added up at a time: their sums in float64 stay in the cache. */
const PIECE = 1 << 12;

/** Σ of as many numbers of each rank, in the order of the ranks, in float64, rounded once; `sum` may be one of them. */
export function addUp([first, ...others]: readonly Float32Array[], sum: Float32Array): void {
  const total = new Float64Array(Math.min(PIECE, sum.length));
  for (let start = 0; start < sum.length; start += PIECE) {
    const count = Math.min(PIECE, sum.length - start);
    total.set(first!.subarray(start, start + count));
    for (const numbers of others) for (let i = 0; i < count; i++) total[i]! += numbers[start + i]!;
    sum.set(total.subarray(0, count), start);
  }
}
