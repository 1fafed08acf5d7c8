import { type Dataset, fromIdx } from '@diffusion-ts/datasets';
import { fetchBytes, gunzip } from '../lab/site.js';

/** The ten thousand digits of the site. */
export async function loadDigits(): Promise<Dataset> {
  const [images, labels] = await Promise.all(
    ['data/images.bin', 'data/labels.bin'].map(async (name) => ({
      name,
      bytes: await gunzip(await fetchBytes(name)),
    })),
  );
  return fromIdx({ images: images!, labels: labels! });
}
