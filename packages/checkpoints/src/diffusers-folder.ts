import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Params } from '@diffusion-ts/tensor';
import { CheckpointError } from './checkpoint-error.js';
import { paramsFromSafetensors, paramsToSafetensors } from './params.js';

const CONFIG = 'config.json';
const WEIGHTS = 'diffusion_pytorch_model.safetensors';
const MODEL = 'UNet2DModel';
/** The release whose config keys are written. */
const DIFFUSERS_VERSION = '0.35.0';

/** A model as diffusers' `save_pretrained` writes it and `from_pretrained` reads it. */
export interface DiffusersFolder {
  /** The JSON object of `config.json`, keys in snake_case as diffusers has them. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The weights under the names of the state dict, in our layout; the caller disposes them. */
  readonly params: Params;
}

/**
 * Reads a `UNet2DModel` folder of diffusers: `config.json` and `diffusion_pytorch_model.safetensors`.
 * @throws CheckpointError if a file is missing or malformed, or holds another model.
 */
export async function readDiffusersFolder(path: string): Promise<DiffusersFolder> {
  const config = parseConfig(join(path, CONFIG), await readOrRefuse(join(path, CONFIG)));
  const weights = join(path, WEIGHTS);
  const bytes = await readOrRefuse(weights);
  try {
    return { config, params: withPresentNames(paramsFromSafetensors(bytes)) };
  } catch (error) {
    throw error instanceof CheckpointError ? new CheckpointError(`${weights}: ${error.message}`) : error;
  }
}

/**
 * Writes a `UNet2DModel` folder that diffusers loads. A folder that does not exist yet appears complete or not at all;
 * in one that does, each of the two files is replaced whole and other files stay.
 * @throws CheckpointError if a parameter cannot be stored.
 */
export async function writeDiffusersFolder(
  path: string,
  config: Readonly<Record<string, unknown>>,
  params: Params,
): Promise<void> {
  const bytes = await paramsToSafetensors(params, { metadata: { format: 'pt' } });
  const described = { _diffusers_version: DIFFUSERS_VERSION, ...config, _class_name: MODEL };
  const sorted = Object.fromEntries(Object.entries(described).toSorted(([a], [b]) => (a < b ? -1 : 1)));

  const folder = resolve(path);
  const temporary = `${folder}.${process.pid}.tmp`;
  try {
    await mkdir(temporary, { recursive: true });
    await writeFile(join(temporary, WEIGHTS), bytes, { flush: true });
    await writeFile(join(temporary, CONFIG), `${JSON.stringify(sorted, null, 2)}\n`, { flush: true });
    await moveInto(temporary, folder);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** The attention of models that were saved before diffusers 0.17 has other names; diffusers renames it as well. */
function withPresentNames(params: Params): Params {
  const present = { query: 'to_q', key: 'to_k', value: 'to_v', proj_attn: 'to_out.0' } as const;
  const rename = (name: string) =>
    name.replace(
      /(?<=\.attentions\.\d+\.)(query|key|value|proj_attn)(?=\.)/,
      (old) => present[old as keyof typeof present],
    );
  return Object.fromEntries(Object.entries(params).map(([name, tensor]) => [rename(name), tensor]));
}

async function moveInto(temporary: string, folder: string): Promise<void> {
  try {
    await rename(temporary, folder);
  } catch {
    // A folder with files in it cannot be replaced by one rename. The weights go first: what the config describes is there.
    await rename(join(temporary, WEIGHTS), join(folder, WEIGHTS));
    await rename(join(temporary, CONFIG), join(folder, CONFIG));
  }
}

async function readOrRefuse(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new CheckpointError(`${file} does not exist`);
  }
}

function parseConfig(file: string, bytes: Uint8Array): Record<string, unknown> {
  let config: unknown;
  try {
    config = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new CheckpointError(`${file} is not JSON`);
  }
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw new CheckpointError(`${file} must hold a JSON object`);
  }
  const model = (config as Record<string, unknown>)._class_name;
  if (model !== MODEL)
    throw new CheckpointError(`${file} describes ${JSON.stringify(model)}, not a ${MODEL}`);
  return config as Record<string, unknown>;
}
