import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { build } from '@diffusion-ts/recipes';
import { isDiffusers, type Opened, readDiffusers } from '../diffusers.js';
import { Refusal } from '../errors.js';
import { MODEL, readWeights } from '../run/checkpoint-files.js';
import { hasConfig, readConfig } from '../run/folder.js';
import { latestWeights } from '../run/weights.js';

/**
 * A model to use, from the folder of a run (its averaged weights), of weights beside their config.json (the lab exports
 * those) or of diffusers. The caller disposes the weights.
 */
export async function openModel(folder: string): Promise<Opened & { step?: number }> {
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
  return { config, built, ...(await latestWeights(folder, built.network)) };
}
