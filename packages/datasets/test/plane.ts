import { type Dataset, disposeBatch } from '../src/index.js';

export interface Point {
  x: number;
  y: number;
  label: number | undefined;
}

/** All the points of a 2-D dataset. */
export async function allPoints(dataset: Dataset): Promise<Point[]> {
  const batch = await dataset.batch(Array.from({ length: dataset.size }, (_, i) => i));
  const xy = batch.x0.dataSync();
  const classes = batch.condition?.label?.dataSync();
  disposeBatch(batch);
  return Array.from({ length: dataset.size }, (_, i) => ({
    x: xy[2 * i]!,
    y: xy[2 * i + 1]!,
    label: classes?.[i],
  }));
}

export const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/** The root of the mean square. */
export const rms = (values: readonly number[]): number => Math.sqrt(mean(values.map((v) => v * v)));
