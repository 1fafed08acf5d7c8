// The gradient of a softmax over rows.

import { F, load, store, sumLanes } from './vector';

/** dx = y (dy − Σ dy y) for every row of y[rows][columns], the result of the softmax. */
export function softmaxGradient(dy: usize, y: usize, dx: usize, rows: usize, columns: usize): void {
  for (let i: usize = 0; i < rows; i++) {
    let sums = f32x4.splat(0);
    for (let j: usize = 0; j < columns; j += 4) {
      const rest = columns - j;
      sums = f32x4.add(sums, f32x4.mul(load(dy + j * F, rest), load(y + j * F, rest)));
    }
    const sum = f32x4.splat(sumLanes(sums));
    for (let j: usize = 0; j < columns; j += 4) {
      const rest = columns - j;
      store(dx + j * F, f32x4.mul(load(y + j * F, rest), f32x4.sub(load(dy + j * F, rest), sum)), rest);
    }
    dy += columns * F;
    y += columns * F;
    dx += columns * F;
  }
}
