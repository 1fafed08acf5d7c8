import { type Dataset, disposeBatch } from '@diffusion-ts/datasets';
import { inParts } from './parts.js';

// As many examples as tell it to three digits.
const MEASURED = 1024;
const PART = 64;

/** The standard deviation of the numbers that the first examples hold. */
export async function deviationOf(dataset: Dataset): Promise<number> {
  let [sum, squares, count] = [0, 0, 0];
  await inParts(Math.min(MEASURED, dataset.size), PART, async (first, rows) => {
    const batch = await dataset.batch(Array.from({ length: rows }, (_, i) => first + i));
    for (const x of batch.x0.dataSync()) {
      sum += x;
      squares += x * x;
      count += 1;
    }
    disposeBatch(batch);
  });
  return Math.sqrt(squares / count - (sum / count) ** 2);
}
