import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { disposeParams } from '@diffusion-ts/tensor';
import { expectNoLeak, goldenPath, useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { CheckpointError, paramsToSafetensors } from '../src/index.js';
import { readDiffusersFolder, writeDiffusersFolder } from '../src/node.js';

const WEIGHTS = 'diffusion_pytorch_model.safetensors';
const golden = goldenPath('unet-class-conditional');
const root = mkdtempSync(join(tmpdir(), 'diffusers-folder-'));
let folder: string;
let count = 0;

beforeAll(() => useBackend('cpu'));
beforeEach(() => {
  folder = join(root, String(count++));
});
afterAll(() => rmSync(root, { recursive: true }));

const bytes = (...path: string[]) => readFileSync(join(...path));

it('a folder of diffusers is read and written back: the same weights byte for byte, the same config in the same order', async () => {
  const layouts = { 'conv_in.weight': [3, 2, 0, 1], 'mid_block.attentions.0.to_q.weight': [1, 0] };
  const { config, params } = await readDiffusersFolder(golden, layouts);
  expect(config.block_out_channels).toEqual([16, 32]);
  expect(params['conv_in.weight']!.shape).toEqual([3, 3, 2, 16]);
  expect(params['conv_out.weight']!.shape).toEqual([4, 16, 3, 3]);
  await writeDiffusersFolder(folder, config, params, { layouts });
  disposeParams(params);
  expect(readdirSync(folder).toSorted()).toEqual(['config.json', WEIGHTS]);
  const parsed = (path: string) => Object.entries(JSON.parse(bytes(path, 'config.json').toString()));
  expect(parsed(folder)).toEqual(parsed(golden));
  expect(bytes(folder, WEIGHTS).equals(bytes(golden, WEIGHTS))).toBe(true);
});

it('a config of ours is given the class and the version that diffusers asks for', async () => {
  await writeDiffusersFolder(folder, { sample_size: 8, act_fn: 'silu' }, {});
  expect(bytes(folder, 'config.json').toString()).toBe(
    '{\n  "_class_name": "UNet2DModel",\n  "_diffusers_version": "0.35.0",\n  "act_fn": "silu",\n  "sample_size": 8\n}\n',
  );
});

it('the old names of attention are read as the present ones', async () => {
  const names = ['query.weight', 'key.bias', 'value.bias', 'proj_attn.weight', 'group_norm.bias'];
  const old = Object.fromEntries(names.map((name, i) => [`mid_block.attentions.0.${name}`, tf.scalar(i)]));
  await writeDiffusersFolder(folder, {}, { ...old, 'key.weight': tf.scalar(9) });
  const { params } = await readDiffusersFolder(folder);
  expect(Object.entries(params).map(([name, tensor]) => [name, ...tensor.dataSync()])).toEqual([
    ['mid_block.attentions.0.to_q.weight', 0],
    ['mid_block.attentions.0.to_k.bias', 1],
    ['mid_block.attentions.0.to_v.bias', 2],
    ['mid_block.attentions.0.to_out.0.weight', 3],
    ['mid_block.attentions.0.group_norm.bias', 4],
    ['key.weight', 9],
  ]);
});

it('layouts may be a function of the config, and go by the present names', async () => {
  const old = { 'mid_block.attentions.0.query.weight': tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]) };
  await writeDiffusersFolder(folder, { norm_num_groups: 4 }, old);
  disposeParams(old);
  const { params } = await readDiffusersFolder(folder, (config) =>
    config.norm_num_groups === 4 ? { 'mid_block.attentions.0.to_q.weight': [1, 0] } : {},
  );
  const query = params['mid_block.attentions.0.to_q.weight']!;
  expect([query.shape, ...query.dataSync()]).toEqual([[3, 2], 1, 4, 2, 5, 3, 6]);
  disposeParams(params);
});

it('a tensor that is there under its old name and its present one is refused', async () => {
  const at = 'mid_block.attentions.0';
  const twice = { [`${at}.to_q.bias`]: tf.scalar(1), [`${at}.query.bias`]: tf.scalar(2) };
  await writeDiffusersFolder(folder, {}, twice);
  disposeParams(twice);
  await expect(readDiffusersFolder(folder)).rejects.toThrow(
    new CheckpointError(
      `${join(folder, WEIGHTS)}: tensor "${at}.to_q.bias" is there twice, under its old name and its present one`,
    ),
  );
});

it('writing into a folder that is there replaces the two files and nothing else', async () => {
  mkdirSync(folder);
  writeFileSync(join(folder, 'notes.txt'), 'mine');
  writeFileSync(join(folder, 'config.json'), 'old');
  await writeDiffusersFolder(folder, {}, {});
  expect(readdirSync(folder).toSorted()).toEqual(['config.json', WEIGHTS, 'notes.txt']);
  expect(bytes(folder, 'notes.txt').toString()).toBe('mine');
  expect((await readDiffusersFolder(folder)).params).toEqual({});
});

it('a write that fails leaves the folder as it was, and no temporary files', async () => {
  await writeDiffusersFolder(folder, { sample_size: 8 }, {});
  const before = readdirSync(root);
  const flag = tf.tensor1d([true], 'bool');
  await expect(writeDiffusersFolder(folder, {}, { flag })).rejects.toThrow(CheckpointError);
  flag.dispose();
  const file = join(folder, 'config.json');
  await expect(writeDiffusersFolder(file, {}, {})).rejects.toThrow('ENOTDIR');
  expect(readdirSync(folder).toSorted()).toEqual(['config.json', WEIGHTS]);
  expect(readdirSync(root)).toEqual(before);
  expect((await readDiffusersFolder(folder)).config.sample_size).toBe(8);
});

it('what is missing or malformed is named in one sentence', async () => {
  const refused = (message: string) =>
    expect(readDiffusersFolder(folder)).rejects.toThrow(new CheckpointError(message));
  const config = join(folder, 'config.json');
  const weights = join(folder, WEIGHTS);
  await refused(`${config} does not exist`);
  mkdirSync(folder);
  writeFileSync(config, '{');
  await refused(`${config} is not JSON`);
  writeFileSync(config, 'null');
  await refused(`${config} must hold a JSON object`);
  writeFileSync(config, '{"_class_name":"AutoencoderKL"}');
  await refused(`${config} describes "AutoencoderKL", not a UNet2DModel`);
  writeFileSync(config, '{"_class_name":"UNet2DModel"}');
  await refused(`${weights} does not exist`);
  writeFileSync(weights, 'short');
  await refused(`${weights}: 5 bytes are too few for a safetensors file`);
});

/** Two files of weights, each with a number, and the index that says which tensor is where. */
async function sharded(index: string, [one, other]: readonly [string, string]): Promise<void> {
  for (const [file, name, value] of [
    [one, 'a', 1],
    [other, 'b', 2],
  ] as const) {
    const scalar = tf.scalar(value);
    await writeDiffusersFolder(folder, {}, { [name]: scalar });
    scalar.dispose();
    renameSync(join(folder, WEIGHTS), join(folder, file));
  }
  writeFileSync(join(folder, index), JSON.stringify({ metadata: {}, weight_map: { a: one, b: other } }));
}

it.each([
  ['diffusion_pytorch_model.safetensors.index.json', 'diffusion_pytorch_model-'],
  ['diffusion_pytorch_model.safetensors.index.fp16.json', 'diffusion_pytorch_model.fp16-'],
])('shards are read together, by %s', async (index, begin) => {
  await sharded(index, [`${begin}00001-of-00002.safetensors`, `${begin}00002-of-00002.safetensors`]);
  const { params } = await readDiffusersFolder(folder);
  expect(Object.entries(params).map(([name, tensor]) => [name, ...tensor.dataSync()])).toEqual([
    ['a', 1],
    ['b', 2],
  ]);
  disposeParams(params);
});

it('shards that are missing, elsewhere or hold a tensor twice are refused, and nothing stays behind', async () => {
  const index = 'diffusion_pytorch_model.safetensors.index.json';
  const shards = [
    'diffusion_pytorch_model-00001-of-00002.safetensors',
    'diffusion_pytorch_model-00002-of-00002.safetensors',
  ] as const;
  await sharded(index, shards);
  const before = tf.memory().numTensors;
  const refused = (message: string) =>
    expect(readDiffusersFolder(folder)).rejects.toThrow(new CheckpointError(message));
  copyFileSync(join(folder, shards[0]), join(folder, shards[1]));
  await refused(`${join(folder, shards[1])}: tensor "a" is in another shard too`);
  rmSync(join(folder, shards[1]));
  await refused(`${join(folder, shards[1])} does not exist`);
  for (const name of ['../secret.safetensors', 3]) {
    writeFileSync(join(folder, index), JSON.stringify({ weight_map: { a: name } }));
    await refused(
      `${join(folder, index)} must say in weight_map which shard each tensor is in, not ${JSON.stringify(name)}`,
    );
  }
  writeFileSync(join(folder, index), '{}');
  await refused(`${join(folder, index)} must say in weight_map which shard each tensor is in`);
  expect(tf.memory().numTensors).toBe(before);
});

it('the only variant is read, half floats as they are, and the plain weights before any', async () => {
  const scalar = tf.scalar(1 / 3);
  await writeDiffusersFolder(folder, {}, {});
  rmSync(join(folder, WEIGHTS));
  const half = await paramsToSafetensors({ a: scalar }, { dtype: 'F16' });
  writeFileSync(join(folder, 'diffusion_pytorch_model.fp16.safetensors'), half);
  const read = async () => {
    const { params } = await readDiffusersFolder(folder);
    const [value] = params.a!.dataSync();
    disposeParams(params);
    return value;
  };
  // 1365/4096 is 1/3 of eleven bits.
  expect(await read()).toBe(1365 / 4096);
  writeFileSync(join(folder, 'diffusion_pytorch_model.bf16.safetensors'), half);
  await expect(read()).rejects.toThrow(
    /holds several variants, .*fp16\.safetensors.*, and no diffusion_pytorch_model\.safetensors$/,
  );
  await writeDiffusersFolder(folder, {}, { a: scalar });
  expect(await read()).toBe(Math.fround(1 / 3));
  scalar.dispose();
});

it('weights that only Python can read are refused by name', async () => {
  mkdirSync(folder);
  writeFileSync(join(folder, 'config.json'), '{"_class_name":"UNet2DModel"}');
  writeFileSync(join(folder, 'diffusion_pytorch_model.bin'), '');
  await expect(readDiffusersFolder(folder)).rejects.toThrow(
    new CheckpointError(
      `${join(folder, 'diffusion_pytorch_model.bin')} is a pickle of Python: save the model with safe_serialization=True, as ${WEIGHTS}`,
    ),
  );
});

it('reading and writing leave no tensors behind', async () => {
  await expectNoLeak(async () => (await readDiffusersFolder(golden)).params);
  const { config, params } = await readDiffusersFolder(golden);
  await expectNoLeak(() => writeDiffusersFolder(folder, config, params));
  disposeParams(params);
});
