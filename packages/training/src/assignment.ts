/**
 * Which column each row takes so that the costs of the pairs, `cost[row · size + column]`, add up to the least possible. Exact,
 * in O(size³): the Hungarian method, one shortest augmenting path for every row (Jonker and Volgenant 1987). The costs are
 * finite.
 */
export function assignment(cost: ArrayLike<number>, size: number): Int32Array {
  const columnOf = new Int32Array(size).fill(-1);
  const rowOf = new Int32Array(size).fill(-1);
  // Prices: cost − ofRow − ofColumn is never negative, and 0 along every pair that is made.
  const ofRow = new Float64Array(size);
  const ofColumn = new Float64Array(size);

  for (let root = 0; root < size; root++) {
    const distance = new Float64Array(size).fill(Infinity);
    const cameFrom = new Int32Array(size);
    const reached: number[] = [];
    const isReached = new Uint8Array(size);
    let [row, length, end] = [root, 0, -1];
    // Dijkstra's search for the free column that is nearest to the root: to a column by any pair, back from it by its own.
    while (end < 0) {
      let nearest = -1;
      for (let column = 0; column < size; column++) {
        if (isReached[column]) continue;
        const there = length + cost[row * size + column]! - ofRow[row]! - ofColumn[column]!;
        if (there < distance[column]!) {
          distance[column] = there;
          cameFrom[column] = row;
        }
        if (nearest < 0 || distance[column]! < distance[nearest]!) nearest = column;
      }
      length = distance[nearest]!;
      if (rowOf[nearest]! < 0) {
        end = nearest;
      } else {
        isReached[nearest] = 1;
        reached.push(nearest);
        row = rowOf[nearest]!;
      }
    }
    ofRow[root]! += length;
    for (const column of reached) {
      ofRow[rowOf[column]!]! += length - distance[column]!;
      ofColumn[column]! -= length - distance[column]!;
    }
    // Along the path every pair gives way to the next.
    for (let column = end; column >= 0; ) {
      row = cameFrom[column]!;
      const former = columnOf[row]!;
      rowOf[column] = row;
      columnOf[row] = column;
      column = former;
    }
  }
  return columnOf;
}
