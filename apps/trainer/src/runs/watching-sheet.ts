import type { Built, RunConfig } from '@diffusion-ts/recipes';
import { type Params, rng } from '@diffusion-ts/tensor';
import { picture } from '../pictures/picture.js';
import type { Raster } from '../pictures/raster.js';
import { together } from '../shared.js';
import { columnsOf, sampleRun } from './sample-run.js';
import { besideTold, ofTestImages, toldRows } from './told-images.js';

/**
 * The sheet that a run is watched by: always from the same noise, and of the same images where the network is told any. All
 * ranks draw it together.
 */
export async function watchingSheet(
  built: Built,
  params: Params,
  config: RunConfig,
  signal?: AbortSignal,
): Promise<Raster> {
  const { data, sampling, training } = config;
  const { network } = built;
  const source = rng(training.seed);
  const told =
    network.image && (await together(() => ofTestImages(config, [...Array(sampling.count).keys()])));
  const rows = told && toldRows(config, told, source, 0);
  const { samples } = await sampleRun({
    ...{ built, params, settings: sampling, rng: source, ...(signal && { signal }) },
    ...rows,
  });
  const shown = { data, shape: network.shape };
  const columns = columnsOf(network, sampling.count);
  if (told === undefined) return picture(samples, shown, columns);
  const { values, each } = await besideTold(samples, told, rows!, shown);
  return picture(values, shown, each * columns);
}
