import * as tf from '@tensorflow/tfjs-core';

/** Examples in float64, or a matrix: rows of numbers. */
export type Batch = readonly (readonly number[])[];

/** Σ factor · batch. */
export function sum(...terms: readonly (readonly [factor: number, batch: Batch])[]): number[][] {
  const [[, first]] = terms as [readonly [number, Batch]];
  return first.map((row, i) =>
    row.map((_, k) => terms.reduce((total, [factor, batch]) => total + factor * batch[i]![k]!, 0)),
  );
}

/** The product of matrices. */
export function product(a: Batch, b: Batch): number[][] {
  return a.map((row) => b[0]!.map((_, k) => row.reduce((total, x, j) => total + x * b[j]![k]!, 0)));
}

export function transposed(matrix: Batch): number[][] {
  return matrix[0]!.map((_, k) => matrix.map((row) => row[k]!));
}

/** By Gauss and Jordan, of a matrix that needs no pivoting. */
export function inverse(matrix: Batch): number[][] {
  const rows = matrix.map((row, i) => [...row, ...row.map((_, k) => Number(i === k))]);
  rows.forEach((row, i) => {
    const pivot = row[i]!;
    row.forEach((x, k) => {
      row[k] = x / pivot;
    });
    for (const other of rows) {
      const factor = other[i]!;
      if (other === row) continue;
      row.forEach((x, k) => {
        other[k]! -= factor * x;
      });
    }
  });
  return rows.map((row) => row.slice(matrix.length));
}

export function diagonal(entries: readonly number[]): number[][] {
  return entries.map((entry, i) => entries.map((_, k) => (i === k ? entry : 0)));
}

/** The largest difference of two batches. */
export function distance(a: Batch, b: Batch): number {
  return Math.max(...a.flatMap((row, i) => row.map((x, k) => Math.abs(x - b[i]![k]!))));
}

/** `[batch, …shape]`. */
export function toTensor(batch: Batch, shape: readonly number[]): tf.Tensor {
  return tf.tensor(batch.flat(), [batch.length, ...shape]);
}

export function toBatch(x: tf.Tensor): number[][] {
  const values = Array.from(x.dataSync());
  const size = values.length / x.shape[0]!;
  return Array.from({ length: x.shape[0]! }, (_, i) => values.slice(i * size, (i + 1) * size));
}

/** The means of the columns, and their covariances. */
export function moments(batch: Batch): { mean: number[]; covariance: number[][] } {
  const mean = transposed(batch).map((column) => column.reduce((total, x) => total + x, 0) / batch.length);
  const centred = batch.map((row) => row.map((x, k) => x - mean[k]!));
  const covariance = product(transposed(centred), centred).map((row) => row.map((x) => x / batch.length));
  return { mean, covariance };
}
