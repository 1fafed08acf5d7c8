import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { build } from '@diffusion-ts/recipes';
import { isDiffusers, type Opened, readDiffusers } from '../diffusers.js';
import { Refusal } from '../errors.js';
import { MODEL, readWeights } from '../run/checkpoint-files.js';
import { hasConfig, isRun, readConfig } from '../run/folder.js';
import { weightsOf } from '../run/weights.js';

/**
 * A model to use, from the folder of a run (its averaged weights), of weights beside their config.json (the lab exports
 * those) or of diffusers. Of a run the weights of its newest checkpoint, unless a step is given. The caller disposes them.
 */
export async function openModel(folder: string, step?: number): Promise<Opened & { step?: number }> {
  if (step !== undefined && !isRun(folder)) {
    throw new Refusal(`${folder} is no run with checkpoints, of which that of step ${step} could be taken.`);
  }
  if (isDiffusers(folder)) return readDiffusers(folder);
  if (!hasConfig(folder)) {
    throw new Refusal(
      existsSync(folder)
        ? `${folder} is neither a run (it has no config.json) nor a folder of diffusers.`
        : `There is no run at ${folder}.`,
    );
  }
  const config = readConfig(folder);
  const built = build(config);
  if (existsSync(join(folder, MODEL))) {
    return { config, built, params: await readWeights(folder, MODEL, built.network) };
  }
  return { config, built, ...(await weightsOf(folder, built.network, step)) };
}
