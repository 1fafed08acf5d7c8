import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensors } from '@diffusion-ts/checkpoints';
import { denoisingNetworkOf, type Network } from '@diffusion-ts/recipes';
import { mapParams, type Params, rng } from '@diffusion-ts/tensor';
import { useBackend } from '@diffusion-ts/testing';
import { disposeState, initialState, type TrainState } from '@diffusion-ts/training';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkpointFiles, EMA, MODEL, readCheckpoint, readWeights } from '../src/run/checkpoint-files.js';
import type { Files } from '../src/run/checkpoints.js';
import { folder } from './folder.js';

const OPTIMIZER = 'optimizer.safetensors';

// A U-Net: half of its weights have another layout in files.
const TINY = {
  _class_name: 'UNet2DModel',
  ...{ sample_size: 4, in_channels: 1, out_channels: 1, block_out_channels: [4], layers_per_block: 1 },
  ...{ down_block_types: ['AttnDownBlock2D'], up_block_types: ['UpBlock2D'] },
  ...{ norm_num_groups: 2, attention_head_dim: 4 },
} as const;

/** A state of which no two numbers are alike. */
function stateOf(network: Network, parts: { ema: boolean; moments: boolean }): TrainState {
  const state = initialState(network.init(rng(1)));
  const like = (seed: number): Params =>
    mapParams(state.params, ({ shape }, name) => rng(seed).fork(name).normal(shape));
  if (parts.ema) state.ema = like(2);
  if (parts.moments) state.slots = { m: like(3), v: like(4) };
  return Object.assign(state, { step: 12, lossHistory: [[1.5], []] });
}

async function written(files: Promise<Files>): Promise<string> {
  const path = folder();
  for (const [name, contents] of Object.entries(await files)) writeFileSync(join(path, name), contents);
  return path;
}

const numbers = (params: Params): Record<string, number[]> =>
  Object.fromEntries(Object.entries(params).map(([name, tensor]) => [name, [...tensor.dataSync()]]));

describe('the files of a checkpoint', () => {
  let network: Network;
  beforeAll(async () => {
    await useBackend('cpu');
    network = denoisingNetworkOf(TINY, false);
  });

  it('give back the whole state, and what was put beside it', async () => {
    const before = tf.memory().numTensors;
    const state = stateOf(network, { ema: true, moments: true });
    const folder = await written(checkpointFiles(state, network, { interval: { steps: 3 } }));
    const { state: read, rest } = await readCheckpoint(folder, network);
    expect([read.step, read.lossHistory, rest.interval]).toEqual([12, [[1.5], []], { steps: 3 }]);
    expect(numbers(read.params)).toEqual(numbers(state.params));
    expect(numbers(read.ema!)).toEqual(numbers(state.ema!));
    expect(Object.keys(read.slots)).toEqual(['m', 'v']);
    for (const slot of ['m', 'v']) expect(numbers(read.slots[slot]!)).toEqual(numbers(state.slots[slot]!));
    disposeState(state);
    disposeState(read);
    expect(tf.memory().numTensors).toBe(before);
  });

  it("have PyTorch's layout, the moments like the weights", async () => {
    const state = stateOf(network, { ema: true, moments: true });
    const files = await checkpointFiles(state, network, {});
    const shapeIn = (file: string, name: string) =>
      readSafetensors(files[file] as Uint8Array).tensors[name]?.shape;
    expect(state.params['conv_in.weight']!.shape).toEqual([3, 3, 1, 4]);
    for (const file of [MODEL, EMA]) expect(shapeIn(file, 'conv_in.weight')).toEqual([4, 1, 3, 3]);
    for (const slot of ['m', 'v']) expect(shapeIn(OPTIMIZER, `${slot}.conv_in.weight`)).toEqual([4, 1, 3, 3]);
    disposeState(state);
  });

  it('give back a state without an average, and one before its first step', async () => {
    const state = stateOf(network, { ema: false, moments: false });
    const folder = await written(checkpointFiles(state, network, {}));
    const { state: read } = await readCheckpoint(folder, network);
    expect([read.ema, read.slots]).toEqual([undefined, {}]);
    expect(numbers(read.params)).toEqual(numbers(state.params));
    disposeState(state);
    disposeState(read);
  });

  it('that are damaged, or of another network, are named, and leave no tensor behind', async () => {
    const state = stateOf(network, { ema: true, moments: true });
    const files = checkpointFiles(state, network, {});
    const before = tf.memory().numTensors;
    for (const name of Object.keys(await files)) {
      const folder = await written(files);
      writeFileSync(join(folder, name), 'nothing');
      await expect(readCheckpoint(folder, network), name).rejects.toThrow(
        `${join(folder, name)} is damaged: `,
      );
    }
    const folder = await written(files);
    const shapes = { ...network.shapes, 'conv_in.weight': [3, 3, 2, 4] };
    await expect(readWeights(folder, MODEL, { ...network, shapes })).rejects.toThrow(
      `${join(folder, MODEL)} does not fit the network: `,
    );
    expect(tf.memory().numTensors).toBe(before);
    disposeState(state);
  });
});
