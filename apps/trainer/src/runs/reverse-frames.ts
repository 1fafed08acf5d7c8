import { type Built, isPoints, type RunConfig } from '@diffusion-ts/recipes';
import { type Params, rng } from '@diffusion-ts/tensor';
import { evenly } from '../evenly.js';
import { together } from '../shared.js';
import { sampleRun } from './sample-run.js';
import { ofTestImages, toldRows } from './told-images.js';

/** How many moments of a process a picture of it shows. */
export const MOMENTS = 8;

const IMAGES = 6;
const POINTS = 800;

/** How many examples it shows. */
export function shownOf({ data }: RunConfig): number {
  return isPoints(data) ? POINTS : IMAGES;
}

/** Whether a step is one of those from which, with the samples, the moments are evenly spread. */
export function isMoment(index: number, total: number): boolean {
  return evenly([...Array(total + 1).keys()], MOMENTS).includes(index);
}

/** The way of noise to samples, in moments; all ranks draw it together. */
export async function reverseFrames(
  built: Built,
  params: Params,
  config: RunConfig,
  signal?: AbortSignal,
): Promise<readonly Float32Array[]> {
  const count = shownOf(config);
  const source = rng(config.training.seed);
  const told = built.network.image && (await together(() => ofTestImages(config, [...Array(count).keys()])));
  const { frames } = await sampleRun({
    built,
    params,
    settings: { ...config.sampling, count },
    rng: source,
    ...(told && toldRows(config, told, source, 0)),
    keep: isMoment,
    ...(signal && { signal }),
  });
  return frames;
}
