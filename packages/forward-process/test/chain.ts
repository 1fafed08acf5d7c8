// The chain of a class step by step on the host, from the definitions of Austin et al. 2021 alone.

export type Matrix = readonly (readonly number[])[];

/** Q_t of one step. */
export type Step = (beta: number) => Matrix;

const square = (size: number, entry: (i: number, j: number) => number): number[][] =>
  Array.from({ length: size }, (_, i) => Array.from({ length: size }, (_, j) => entry(i, j)));

export const uniform =
  (classes: number): Step =>
  (beta) =>
    square(classes, (i, j) => (i === j ? 1 - beta : 0) + beta / classes);

export const absorbing =
  (classes: number): Step =>
  (beta) =>
    square(classes + 1, (i, j) => (i === j ? 1 - beta : 0) + (j === classes ? beta : 0));

export const discretisedGaussian =
  (classes: number): Step =>
  (beta) => {
    const weight = (n: number): number => Math.exp((-4 * n * n) / ((classes - 1) ** 2 * beta));
    const differences = Array.from({ length: 2 * classes - 1 }, (_, n) => n - classes + 1);
    const total = differences.reduce((sum, n) => sum + weight(n), 0);
    const off = square(classes, (i, j) => (i === j ? 0 : weight(i - j) / total));
    return off.map((row, i) => row.map((q, j) => (i === j ? 1 - row.reduce((a, b) => a + b, 0) : q)));
  };

/** q(x_t = j | x_s = i), the steps after s up to t one after the other. */
export function walk(
  step: Step,
  betas: readonly number[],
  s: number,
  t: number,
  i: number,
  j: number,
): number {
  let row = step(betas[0]!).map((_, state) => Number(state === i));
  for (let time = s + 1; time <= t; time++) {
    const matrix = step(betas[time]!);
    row = row.map((_, to) => row.reduce((sum, q, from) => sum + q * matrix[from]![to]!, 0));
  }
  return row[j]!;
}
