import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type NpyArray, npz } from './npz.js';
import { imagesOf, type Shown, written } from './picture.js';
import { png } from './raster.js';
import { single } from './sheet.js';

/** Writes every image to a file of its own in a folder, which is made if it is not there. */
export async function writeEach(
  folder: string,
  samples: Float32Array,
  shown: Shown,
  names: readonly number[],
): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const images = await imagesOf(samples, shown);
  for (const [i, name] of names.entries())
    await written(join(folder, `${name}.png`), await png(single(images, i)));
}

/** Writes samples as numbers, `samples` `[count, …]` in samples.npz, and beside them what is known of each. */
export async function writeNumbers(
  folder: string,
  samples: Float32Array,
  shown: Shown,
  known: Readonly<Record<string, NpyArray['values']>>,
): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'samples.npz');
  const { shape, values } =
    shown.shape.length === 3 ? await imagesOf(samples, shown) : numbers(samples, shown);
  const each = Object.entries(known).map(([name, values]) => [name, { shape: [values.length], values }]);
  await written(file, npz({ samples: { shape, values }, ...Object.fromEntries(each) }));
  return file;
}

function numbers(values: Float32Array, { shape }: Shown): NpyArray {
  return { shape: [values.length / shape.reduce((product, n) => product * n, 1), ...shape], values };
}
