import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { readDiffusersFolder, writeDiffusersFolder } from '@diffusion-ts/checkpoints/node';
import { type Built, build, type Preset, type RunConfig } from '@diffusion-ts/recipes';
import { parseConfig } from '@diffusion-ts/recipes/config';
import { fromDiffusers, schedulerOf } from '@diffusion-ts/recipes/diffusers';
import { disposeParams, mismatch, type Params } from '@diffusion-ts/tensor';
import { type Json, readJson } from './config/read.js';
import { Refusal, sentence } from './errors.js';
import { replaceFile } from './run/replace-file.js';

const MODEL = 'config.json';
const PIPELINE = 'model_index.json';
const SCHEDULER = 'scheduler_config.json';
// What diffusers has no words for (data, loss, training), so that nothing is lost on the way there and back.
const OURS = 'diffusion-ts.json';

export interface Opened {
  readonly config: RunConfig;
  readonly built: Built;
  readonly params: Params;
}

/** Whether a folder is a `UNet2DModel`, or a pipeline with one in it, as diffusers writes them. */
export function isDiffusers(folder: string): boolean {
  if (existsSync(join(folder, PIPELINE)) || existsSync(join(folder, 'unet', MODEL))) return true;
  // The config of a run has the class of its model inside `model`.
  return existsSync(join(folder, MODEL)) && '_class_name' in readJson(join(folder, MODEL));
}

/** A model from a folder of diffusers: the network, and the process that its scheduler describes. */
export async function readDiffusers(folder: string): Promise<Opened> {
  const config = readDiffusersConfig(folder);
  const built = build(config);
  const { params } = await readDiffusersFolder(modelFolder(folder), built.network.layouts);
  const problem = mismatch(params, built.network.shapes);
  if (problem === undefined) return { config, built, params };
  disposeParams(params);
  throw new Refusal(`The weights in ${folder} do not fit its config.json: ${problem}.`);
}

/**
 * The config of a run that a folder of diffusers amounts to. Where this project wrote it, all that the run was; but what
 * people edit and replace there are the files of diffusers, so where these say something else they decide.
 */
export function readDiffusersConfig(folder: string): RunConfig {
  checkPipeline(folder);
  const model = readJson(join(modelFolder(folder), MODEL));
  const file = [join(folder, SCHEDULER), join(folder, 'scheduler', SCHEDULER)].find((name) =>
    existsSync(name),
  );
  const theirs = fromDiffusers(model, file === undefined ? undefined : readJson(file));
  const config = parseConfig(existsSync(join(folder, OURS)) ? ours(folder, theirs, file) : theirs, folder);
  return { ...config, model: build(config).network.config };
}

/** What was written beside them, with another process or sampler where the scheduler is not the one that was written. */
function ours(folder: string, theirs: Preset, file: string | undefined): Json {
  const json = { ...readJson(join(folder, OURS)), model: theirs.model };
  if (file === undefined) return json;
  const config = parseConfig(json, folder);
  const written = fromDiffusers(theirs.model, schedulerOf(config.process));
  const changed = (['process', 'sampling'] as const).filter(
    (part) => !isDeepStrictEqual(theirs[part], written[part]),
  );
  if (changed.length === 0) return json;
  console.error(
    `${file} was changed since it was written: its ${changed.join(' and ')} counts, not that of ${OURS}.`,
  );
  return {
    ...json,
    ...Object.fromEntries(changed.map((part) => [part, { ...config[part], ...theirs[part] }])),
  };
}

/** That the network of a pipeline makes images: behind a decoder, or beside anything else, it makes something else. */
function checkPipeline(folder: string): void {
  const file = join(folder, PIPELINE);
  if (!existsSync(file)) return;
  const parts = Object.keys(readJson(file)).filter((name) => !name.startsWith('_'));
  const other = parts.find((name) => name !== 'unet' && name !== 'scheduler');
  if (other === undefined && parts.includes('unet')) return;
  throw new Refusal(
    `${file} names ${other === undefined ? 'no unet' : `a part that is not read here, ${JSON.stringify(other)}`}: expected a pipeline of unet and scheduler alone.`,
  );
}

function modelFolder(folder: string): string {
  const inPipeline = join(folder, 'unet');
  return existsSync(join(inPipeline, MODEL)) ? inPipeline : folder;
}

/** Writes a folder that `UNet2DModel.from_pretrained` and `DDPMScheduler.from_pretrained` of diffusers load. */
export async function writeDiffusers(folder: string, config: RunConfig, params: Params): Promise<void> {
  const { model, ...rest } = withoutUncertainty(config);
  if (model._class_name !== 'UNet2DModel') {
    throw new Refusal(
      `diffusers has no counterpart of this ${model._class_name}: only a UNet2DModel can be converted.`,
    );
  }
  const scheduler = schedulerOf(config.process);
  try {
    const { shapes, layouts } = build({ model, ...rest }).network;
    const own = Object.entries(params).filter(([name]) => Object.hasOwn(shapes, name));
    await writeDiffusersFolder(folder, model, Object.fromEntries(own), { layouts });
    replaceFile(join(folder, SCHEDULER), `${JSON.stringify(scheduler, null, 2)}\n`);
    replaceFile(join(folder, OURS), `${JSON.stringify(rest, null, 2)}\n`);
  } catch (error) {
    throw new Refusal(`The folder ${folder} cannot be written: ${sentence(error)}.`, { cause: error });
  }
}

/** The same without the parameters that a loss learns beside the network, of which diffusers knows nothing. */
function withoutUncertainty(config: RunConfig): RunConfig {
  return config.loss.kind === 'simple' ? { ...config, loss: { ...config.loss, uncertainty: false } } : config;
}
