/** Every order of 0 … size − 1. */
function permutations(size: number): number[][] {
  if (size === 0) return [[]];
  return permutations(size - 1).flatMap((shorter) =>
    Array.from({ length: size }, (_, at) => [...shorter.slice(0, at), size - 1, ...shorter.slice(at)]),
  );
}

/** Of `cost[row · size + column]`, the sum over the pairs. */
export function totalOf(cost: ArrayLike<number>, columns: ArrayLike<number>): number {
  return Array.from(columns).reduce((sum, column, row) => sum + cost[row * columns.length + column]!, 0);
}

/** The least sum that any pairing has. */
export function leastCost(cost: ArrayLike<number>, size: number): number {
  return Math.min(...permutations(size).map((columns) => totalOf(cost, columns)));
}
