import type { ForwardProcess } from '@diffusion-ts/forward-process';
import { type Built, type Network, type RunConfig, samplerOf, samplingProcess } from '@diffusion-ts/recipes';
import type { Params } from '@diffusion-ts/tensor';
import { picture } from '../pictures/picture.js';
import type { Raster } from '../pictures/raster.js';
import { type Drawn, draw } from './draw.js';

// How many samples go through the network at once. They do not depend on it.
const IMAGES = 64;
const POINTS = 4096;

/** The sheet that a run is watched by: always from the same noise. */
export async function watchingSheet(
  { network, forward }: Built,
  params: Params,
  { process, sampling, training }: RunConfig,
  signal: AbortSignal,
): Promise<Raster> {
  const options = { network, forward, params, process, settings: sampling, seed: training.seed, signal };
  const { samples } = await sampleRun(options);
  return picture(samples, network.shape, columnsOf(network, sampling.count));
}

export interface SampleRunOptions {
  readonly network: Network;
  readonly params: Params;
  readonly forward: ForwardProcess;
  readonly process: RunConfig['process'];
  readonly settings: RunConfig['sampling'];
  readonly seed: number;
  /** The class of every sample; by default the classes take turns, so that each has a column of a sheet. */
  readonly label?: number | undefined;
  readonly every?: number;
  readonly batch?: number;
  readonly signal?: AbortSignal;
  readonly onStep?: (done: number) => void;
}

/** Draws samples from weights of a network. */
export async function sampleRun(options: SampleRunOptions): Promise<Drawn> {
  const { network, params, forward, process, settings, label, ...rest } = options;
  const { classes } = network;
  const sampler = samplerOf(settings, forward);
  const reverse = samplingProcess(network, params, forward, process, settings.guidance);
  try {
    return await draw(reverse, {
      batch: network.isImage ? IMAGES : POINTS,
      ...rest,
      sampler,
      shape: network.shape,
      count: settings.count,
      ...(classes !== undefined && { label: (i) => label ?? i % classes }),
    });
  } finally {
    reverse.dispose();
  }
}

/**
 * Columns of a sheet: one for each class where the classes take turns and come out even, otherwise as many as make the
 * sheet full and nearly square, if any do.
 */
export function columnsOf({ classes }: Network, count: number, label?: number): number {
  if (classes !== undefined && label === undefined && classes > 1 && classes <= 16 && count % classes === 0)
    return classes;
  const square = Math.ceil(Math.sqrt(count));
  for (let columns = square; columns <= 2 * square; columns++) if (count % columns === 0) return columns;
  return square;
}
