import { readFileSync } from 'node:fs';
import { useWasm } from '@diffusion-ts/backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { readImageModel } from '../src/worker/image-model.js';

const shipped = (name: string): Buffer =>
  readFileSync(new URL(`../public/checkpoint/${name}`, import.meta.url));
const bytes = shipped('model.safetensors');
const config = JSON.parse(shipped('config.json').toString());

beforeAll(() => useWasm());

describe('a file of weights that a visitor opens', () => {
  it('is refused in a sentence where its config does not fit it, and leaves nothing in memory', () => {
    const before = tf.memory().numTensors;
    const refused = (model: object): (() => unknown) => {
      return () => readImageModel(bytes, { ...config, model: { ...config.model, ...model } });
    };
    expect(refused({ layers_per_block: 1e9 })).toThrow(
      'config.json describes more layers than the file has weights for.',
    );
    expect(refused({ sample_size: [65536, 65536] })).toThrow(
      'The images have 65536×65536×1 numbers, too many for a browser tab.',
    );
    expect(refused({ sample_size: null })).toThrow('model.sample_size is missing');
    expect(refused({ in_channels: 3 })).toThrow('The weights "conv_in.weight" must have the shape');
    expect(refused({ add_attention: false })).toThrow(/^The file holds weights "mid_block/);
    expect(refused({ num_class_embeds: null })).toThrow('The file holds weights "class_embedding.weight"');
    expect(refused({ block_out_channels: new Array(10_000).fill(32) })).toThrow(RangeError);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('is refused where it was cut off, where it is none, and where nothing says which network it is for', () => {
    expect(() => readImageModel(bytes.subarray(0, 5000), config)).toThrow('bytes');
    expect(() => readImageModel(Buffer.from('PK a zip file'), config)).toThrow('the header is said to have');
    expect(() => readImageModel(bytes, undefined)).toThrow('choose its config.json along with it');
  });
});
