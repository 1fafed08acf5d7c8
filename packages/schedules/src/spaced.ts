/** `count` evenly spaced numbers from `start` to `end`, both included; `start` alone where `count` is 1. */
export function spaced(start: number, end: number, count: number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) =>
    i === count - 1 && i > 0 ? end : start + (i * (end - start)) / Math.max(count - 1, 1),
  );
}
