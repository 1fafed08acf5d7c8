/**
 * The sliced Wasserstein distance of two sets of as many points of the plane: the mean over `directions` evenly spread
 * directions of the 1-Wasserstein distance of the sets' projections, which is that of the sorted numbers.
 */
export function slicedWasserstein(a: Float32Array, b: Float32Array, directions = 32): number {
  if (a.length !== b.length) throw new RangeError(`the sets have ${a.length / 2} and ${b.length / 2} points`);
  const count = a.length / 2;
  let sum = 0;
  for (let k = 0; k < directions; k++) {
    const angle = (Math.PI * k) / directions;
    const onA = projected(a, angle);
    const onB = projected(b, angle);
    for (let i = 0; i < count; i++) sum += Math.abs(onA[i]! - onB[i]!);
  }
  return sum / (directions * count);
}

function projected(points: Float32Array, angle: number): Float32Array {
  const x = Math.cos(angle);
  const y = Math.sin(angle);
  return Float32Array.from(
    { length: points.length / 2 },
    (_, i) => x * points[2 * i]! + y * points[2 * i + 1]!,
  ).sort();
}
