import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { disposeParams, type Layouts, type Params } from '@diffusion-ts/tensor';
import { CheckpointError } from './checkpoint-error.js';
import { parseJson } from './json.js';
import { paramsFromTensors, paramsToSafetensors } from './params.js';
import { type RawTensor, readSafetensors, type Safetensors } from './safetensors.js';

const CONFIG = 'config.json';
const WEIGHTS = 'diffusion_pytorch_model.safetensors';
const INDEX = `${WEIGHTS}.index.json`;
const SHARD = /^diffusion_pytorch_model[\w.]*-\d+-of-\d+[\w.]*\.safetensors$/;
const MODEL = 'UNet2DModel';
const PRESENT_NAMES = { query: 'to_q', key: 'to_k', value: 'to_v', proj_attn: 'to_out.0' } as const;
/** The release whose config keys are written. */
const DIFFUSERS_VERSION = '0.35.0';

/** A model as diffusers' `save_pretrained` writes it and `from_pretrained` reads it. */
export interface DiffusersFolder {
  /** The JSON object of `config.json`, keys in snake_case as diffusers has them. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The weights under the names of the state dict; the caller disposes them. */
  readonly params: Params;
}

/**
 * Reads a `UNet2DModel` folder of diffusers: `config.json` and `diffusion_pytorch_model.safetensors`, or the shards that it
 * is in, or, where there is no other, a variant such as `diffusion_pytorch_model.fp16.safetensors`. The weights that
 * `layouts` names come in our layout, the others as they are; where the network is not known before its config is read,
 * `layouts` may be a function of it.
 * @throws CheckpointError if a file is missing or malformed, or holds another model.
 * @example
 * const { config, params } = await readDiffusersFolder(path, (config) => unet(unetConfig(config)).layouts);
 */
export async function readDiffusersFolder(
  path: string,
  layouts: Layouts | ((config: DiffusersFolder['config']) => Layouts) = {},
): Promise<DiffusersFolder> {
  const config = parseConfig(join(path, CONFIG), await readOrRefuse(join(path, CONFIG)));
  const known = typeof layouts === 'function' ? layouts(config) : layouts;
  const trees: Params[] = [];
  try {
    for (const file of await weightFiles(path)) {
      const tree = await readWeights(file, known);
      trees.push(tree);
      const twice = Object.keys(tree).find((name) => trees.some((t) => t !== tree && Object.hasOwn(t, name)));
      if (twice !== undefined)
        throw new CheckpointError(`${file}: tensor "${twice}" is in another shard too`);
    }
    return { config, params: Object.assign({}, ...trees) };
  } catch (error) {
    for (const tree of trees) disposeParams(tree);
    throw error;
  }
}

async function readWeights(file: string, layouts: Layouts): Promise<Params> {
  const bytes = await readOrRefuse(file);
  try {
    // The names first: layouts go by the present ones.
    return paramsFromTensors(withPresentNames(readSafetensors(bytes).tensors), layouts);
  } catch (error) {
    throw error instanceof CheckpointError ? new CheckpointError(`${file}: ${error.message}`) : error;
  }
}

/** The files with the weights: the plain one, its shards, or the only variant of either. */
async function weightFiles(path: string): Promise<string[]> {
  const names = await readdir(path);
  const files = names.filter(
    (name) => /^diffusion_pytorch_model(\.[^.]+)?\.safetensors$/.test(name) && !SHARD.test(name),
  );
  const indices = names.filter((name) =>
    /^diffusion_pytorch_model\.safetensors\.index(\.[^.]+)?\.json$/.test(name),
  );
  const plain = [WEIGHTS, INDEX].find((name) => names.includes(name));
  const [first, ...others] = plain === undefined ? [...files, ...indices] : [plain];
  if (first === undefined) {
    const pickled = names.find((name) => /\.(bin|pt|pth|ckpt)$/.test(name));
    throw new CheckpointError(
      pickled === undefined
        ? `${join(path, WEIGHTS)} does not exist`
        : `${join(path, pickled)} is a pickle of Python: save the model with safe_serialization=True, as ${WEIGHTS}`,
    );
  }
  if (others.length > 0) {
    throw new CheckpointError(
      `${path} holds several variants, ${[first, ...others].join(', ')}, and no ${WEIGHTS}`,
    );
  }
  return first.endsWith('.json') ? shardsOf(path, first) : [join(path, first)];
}

async function shardsOf(path: string, index: string): Promise<string[]> {
  const file = join(path, index);
  const { weight_map: map } = parseObject(file, await readOrRefuse(file));
  const shards = typeof map === 'object' && map !== null ? [...new Set(Object.values(map))] : [];
  // A name, and not a way out of the folder.
  const strange = shards.find((name) => typeof name !== 'string' || !SHARD.test(name));
  if (shards.length === 0 || strange !== undefined) {
    throw new CheckpointError(
      `${file} must say in weight_map which shard each tensor is in${strange === undefined ? '' : `, not ${JSON.stringify(strange)}`}`,
    );
  }
  return shards.map((name) => join(path, name as string));
}

/**
 * Writes a `UNet2DModel` folder that diffusers loads, given the `layouts` of the model. A folder that does not exist yet
 * appears complete or not at all; in one that does, each of the two files is replaced whole and other files stay.
 * @throws CheckpointError if a parameter cannot be stored.
 */
export async function writeDiffusersFolder(
  path: string,
  config: Readonly<Record<string, unknown>>,
  params: Params,
  {
    layouts = {},
  }: {
    /** Which parameters PyTorch lays out otherwise: the `layouts` of the model. Default none. */
    layouts?: Layouts;
  } = {},
): Promise<void> {
  const bytes = await paramsToSafetensors(params, { layouts, metadata: { format: 'pt' } });
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
function withPresentNames(tensors: Safetensors['tensors']): Safetensors['tensors'] {
  const renamed: Record<string, RawTensor> = {};
  for (const [name, tensor] of Object.entries(tensors)) {
    const present = name.replace(
      /(?<=\.attentions\.\d+\.)(query|key|value|proj_attn)(?=\.)/,
      (old) => PRESENT_NAMES[old as keyof typeof PRESENT_NAMES],
    );
    if (Object.hasOwn(renamed, present)) {
      throw new CheckpointError(`tensor "${present}" is there twice, under its old name and its present one`);
    }
    renamed[present] = tensor;
  }
  return renamed;
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
  const config = parseObject(file, bytes);
  const model = config._class_name;
  if (model !== MODEL)
    throw new CheckpointError(`${file} describes ${JSON.stringify(model)}, not a ${MODEL}`);
  return config;
}

function parseObject(file: string, bytes: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = parseJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new CheckpointError(`${file} is not JSON`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new CheckpointError(`${file} must hold a JSON object`);
  }
  return value as Record<string, unknown>;
}
