import type { Dataset } from '@diffusion-ts/datasets';
import type { RunConfig, Split } from '@diffusion-ts/recipes';
import { openPlainData } from '../data.js';
import { deviationOf } from './deviation.js';
import { latentsOf, measuredScale } from './first-stage.js';
import { pairsOf } from './pairs.js';

/** The data of a run, to learn from or to be tested on: as they are, or the latents that an autoencoder has of them. */
export function openData(config: RunConfig['data'], split: Split): Promise<Dataset> {
  return config.kind === 'latents' ? latentsOf(config, split) : openPlainData(config, split);
}

/** What a run learns from: its data, or pairs of noise and sample of another run. */
export function openTrainingData(config: Pick<RunConfig, 'data' | 'training'>): Promise<Dataset> {
  return config.training.coupling === 'reflow' ? pairsOf(config) : openData(config.data, 'train');
}

/** The config of the data with what is measured of them once, before a run begins: how large latents are. */
export async function measured(config: RunConfig['data']): Promise<RunConfig['data']> {
  if (config.kind !== 'latents' || config.scale !== null) return config;
  return { ...config, scale: await measuredScale(config) };
}

/** The process of a config with what is measured of the data once: their deviation, for EDM's preconditioning. */
export async function measuredProcess(
  process: RunConfig['process'],
  dataset: Dataset,
): Promise<RunConfig['process']> {
  if (process.predicts !== 'edm' || process.sigmaData !== null) return process;
  return { ...process, sigmaData: Number((await deviationOf(dataset)).toPrecision(3)) };
}
