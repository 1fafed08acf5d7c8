import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { alphaBarsOf, checkAlphaBars, type RunConfig } from '@diffusion-ts/recipes';
import { parseConfig } from '@diffusion-ts/recipes/config';
import { readJson } from '../config/read.js';
import { Refusal, sentence } from '../errors.js';
import { MODEL } from './checkpoint-files.js';
import { checkpointFolder, checkpointSteps } from './checkpoints.js';
import { type Fingerprint, writeFingerprint } from './fingerprint.js';
import { replaceFile } from './replace-file.js';

const CONFIG = 'config.json';

export function isRun(folder: string): boolean {
  return existsSync(join(folder, CONFIG)) && existsSync(join(folder, 'checkpoints'));
}

export function hasConfig(folder: string): boolean {
  return existsSync(join(folder, CONFIG));
}

/** Makes the folder of a new run. One that holds weights already is refused; a run that never came so far is replaced. */
export function createRun(folder: string, config: RunConfig, data?: Fingerprint): void {
  const step = checkpointSteps(folder).at(-1);
  if (step !== undefined) {
    throw new Refusal(
      `${folder} holds a run already (at step ${step}): continue it with --resume, or choose another folder with --out.`,
    );
  }
  if (existsSync(join(folder, MODEL))) {
    throw new Refusal(`${folder} holds a model already: choose another folder with --out.`);
  }
  writeConfig(folder, config, data);
}

/** Writes the config of a run and what its data are, once there are any, and makes what its folder lacks. */
export function writeConfig(folder: string, config: RunConfig, data?: Fingerprint): void {
  try {
    for (const name of ['checkpoints', 'samples', 'pictures'])
      mkdirSync(join(folder, name), { recursive: true });
    if (data !== undefined) writeFingerprint(folder, data);
    replaceFile(
      join(folder, CONFIG),
      `${JSON.stringify({ ...config, alphaBars: alphaBarsOf(config.process) }, null, 2)}\n`,
    );
  } catch (error) {
    throw new Refusal(`The run cannot be written to ${folder}: ${sentence(error)}.`, { cause: error });
  }
}

/** The config of a run. */
export function readConfig(folder: string): RunConfig {
  if (!existsSync(join(folder, CONFIG))) {
    throw new Refusal(
      existsSync(folder) ? `${folder} is no run: it has no config.json.` : `There is no run at ${folder}.`,
    );
  }
  const file = join(folder, CONFIG);
  const json = readJson(file);
  const config = parseConfig(json, file);
  checkAlphaBars(json, config, file);
  return config;
}

/** The step of a checkpoint that exists: the one asked for, or the newest. Undefined where there is none at all. */
export function findStep(folder: string, wanted: 'latest' | number): number | undefined {
  const steps = checkpointSteps(folder);
  if (wanted === 'latest') return steps.at(-1);
  if (steps.includes(wanted)) return wanted;
  const there = steps.length === 0 ? 'none' : steps.join(', ');
  throw new Refusal(`${folder} has no checkpoint of step ${wanted}: there is ${there}.`);
}

/** The folder of a checkpoint of a run, the newest unless its step is given. */
export function checkpointOf(
  folder: string,
  wanted: 'latest' | number = 'latest',
): { step: number; folder: string } {
  const step = findStep(folder, wanted);
  if (step === undefined) throw new Refusal(`${folder} has no checkpoint yet: train it first.`);
  return { step, folder: checkpointFolder(folder, step) };
}
