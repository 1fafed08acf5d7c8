import { readFileSync } from 'node:fs';
import { useWasm } from '@diffusion-ts/backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { readImageModel } from '../src/files/image-model.js';

const shipped = (name: string): Buffer =>
  readFileSync(new URL(`../public/checkpoint/${name}`, import.meta.url));
const bytes = shipped('model.safetensors');
const config = JSON.parse(shipped('config.json').toString());

beforeAll(() => useWasm());

describe('a file of weights that a visitor opens', () => {
  const refusal = (change: object): Promise<string> =>
    readImageModel(bytes, { ...config, ...change }).then(
      () => 'accepted',
      ({ name, message }: Error) => `${name}: ${message}`,
    );

  it('is refused in a sentence where its config does not fit it, and leaves nothing in memory', async () => {
    const before = tf.memory().numTensors;
    const ofModel = (model: object) => refusal({ model: { ...config.model, ...model } });
    expect(await ofModel({ layers_per_block: 1e9 })).toContain(
      'config.json describes more layers than the file has weights for.',
    );
    expect(await ofModel({ sample_size: [65536, 65536] })).toContain(
      'The images have 65536×65536×1 numbers, too many for a browser tab.',
    );
    expect(await ofModel({ in_channels: 2, condition_channels: 1 })).toContain(
      'model.condition_channels is set, but nothing here tells a network an image.',
    );
    expect(await ofModel({ sample_size: null })).toContain('model.sample_size is null');
    expect(await ofModel({ in_channels: 3 })).toContain(
      'The weights: "conv_in.weight" must have shape [3,3,3,16], not [3,3,1,16]',
    );
    expect(await ofModel({ add_attention: false })).toMatch(
      /The weights: "mid_block.* is not among those expected/,
    );
    expect(await ofModel({ num_class_embeds: null })).toContain(
      'The weights: "class_embedding.weight" is not among those expected',
    );
    expect(await ofModel({ block_out_channels: new Array(10_000).fill(32) })).toMatch(/^ConfigError: model/);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('is refused with the setting of its config that is wrong', async () => {
    expect(await refusal({ model: { _class_name: 'MLP', dimensions: 2 } })).toBe(
      'RangeError: model._class_name is MLP, but only a UNet2DModel draws images.',
    );
    const { process } = config;
    expect(await refusal({ process: { ...process, schedule: { kind: 'spline', steps: 9 } } })).toContain(
      'config.json: process.schedule.kind is "spline": expected one of linear',
    );
    expect(await refusal({ process: { ...process, predicts: 'score' } })).toContain(
      'config.json: process.predicts is "score"',
    );
    expect(await refusal({ process: { ...process, schedule: { kind: 'linear', steps: 1e9 } } })).toContain(
      'config.json: process.schedule.steps is 1000000000',
    );
    expect(await refusal({ process: null })).toContain('config.json: process is null');
  });

  it('is refused where it was cut off, where it is none, and where nothing says which network it is for', async () => {
    await expect(readImageModel(bytes.subarray(0, 5000), config)).rejects.toThrow('bytes');
    await expect(readImageModel(Buffer.from('PK a zip file'), config)).rejects.toThrow(
      'the header is said to have',
    );
    await expect(readImageModel(bytes)).rejects.toThrow('choose its config.json along with it');
  });
});
