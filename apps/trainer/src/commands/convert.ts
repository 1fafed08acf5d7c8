import { existsSync, readdirSync, rmSync } from 'node:fs';
import { disposeParams } from '@diffusion-ts/tensor';
import { initialState } from '@diffusion-ts/training';
import { Command } from 'commander';
import { startBackend } from '../backend.js';
import { isDiffusers, readDiffusers, writeDiffusers } from '../diffusers.js';
import { Refusal } from '../errors.js';
import { checkpointFiles } from '../run/checkpoint-files.js';
import { writeCheckpoint } from '../run/checkpoints.js';
import { createRun } from '../run/folder.js';
import { openModel } from '../runs/open-model.js';

export const convertCommand: Command = new Command('convert')
  .description('Turn a run into a folder that diffusers loads, or such a folder into a run.')
  .argument('<from>', 'the folder of a run, or of a UNet2DModel or its pipeline as diffusers writes them')
  .argument('<to>', 'the folder to write; it must not hold anything yet')
  .addHelpText(
    'after',
    `
A run becomes config.json, diffusion_pytorch_model.safetensors (its averaged weights) and scheduler_config.json:
  UNet2DModel.from_pretrained(to) and DDPMScheduler.from_pretrained(to) in Python.
A folder of diffusers becomes a run at step 0, which can be sampled, evaluated and trained further. Its scheduler may be
that of DDPM, DDIM, DPM-Solver++ (multistep), Euler (ancestral too) or Heun; a setting that means nothing here is refused.`,
  )
  .action(convertAction);

async function convertAction(from: string, to: string): Promise<void> {
  if (existsSync(to) && readdirSync(to).length > 0) {
    throw new Refusal(`${to} holds something already: choose another folder.`);
  }
  await startBackend('cpu');
  try {
    await (isDiffusers(from) ? toRun(from, to) : toDiffusers(from, to));
  } catch (error) {
    // It held nothing before: half a model would be taken for one.
    rmSync(to, { recursive: true, force: true });
    throw error;
  }
  console.log(to);
}

async function toDiffusers(run: string, folder: string): Promise<void> {
  const { config, params } = await openModel(run);
  try {
    await writeDiffusers(folder, config, params);
  } finally {
    disposeParams(params);
  }
}

async function toRun(folder: string, run: string): Promise<void> {
  const { config, built, params } = await readDiffusers(folder);
  createRun(run, config);
  const state = initialState(params);
  writeCheckpoint(run, 0, await checkpointFiles(state, built.network, {}), config.training.keep);
}
