import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Network } from '@diffusion-ts/recipes';
import type { Params } from '@diffusion-ts/tensor';
import { EMA, MODEL, readWeights } from './checkpoint-files.js';
import { checkpointOf } from './folder.js';

/** The averaged weights of a checkpoint of a run, or where it has none, the weights themselves. */
export async function weightsOf(
  run: string,
  network: Network,
  wanted?: number,
): Promise<{ step: number; params: Params }> {
  const { step, folder } = checkpointOf(run, wanted);
  const name = existsSync(join(folder, EMA)) ? EMA : MODEL;
  return { step, params: await readWeights(folder, name, network) };
}
