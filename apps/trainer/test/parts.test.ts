import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { denoisingNetworkOf } from '@diffusion-ts/recipes';
import { fixedSmall, reverseProcess, x0Prediction } from '@diffusion-ts/reverse-process';
import { ancestral } from '@diffusion-ts/samplers';
import { cosine } from '@diffusion-ts/schedules';
import { rng } from '@diffusion-ts/tensor';
import { useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { isDead, isOutOfMemory } from '../src/errors.js';
import { evenly } from '../src/evenly.js';
import { draw } from '../src/runs/draw.js';
import { inParts, partOf, withParts } from '../src/runs/parts.js';
import { isMoment } from '../src/runs/reverse-frames.js';

let said: string[];
beforeAll(() => useBackend('cpu'));
beforeEach(() => {
  said = [];
  vi.spyOn(console, 'error').mockImplementation((text) => void said.push(text.trim()));
});
afterEach(() => void vi.restoreAllMocks());

const noRoom = (rows: number): Error => new RangeError(`the wasm backend has no room for ${rows} bytes`);

describe('a part', () => {
  const unet = (size: number, channels: number) =>
    denoisingNetworkOf(
      {
        _class_name: 'UNet2DModel',
        sample_size: size,
        block_out_channels: [channels, 2 * channels],
        down_block_types: ['DownBlock2D', 'DownBlock2D'],
        up_block_types: ['UpBlock2D', 'UpBlock2D'],
      },
      false,
    );

  it('holds as many images as make a layer of 2²⁴ numbers, from one to 64', () => {
    // 2²⁴ / (128² · 32) = 32.
    expect(partOf(unet(128, 32))).toBe(32);
    expect(partOf(unet(256, 32))).toBe(8);
    expect(partOf(unet(32, 32))).toBe(64);
    expect(partOf(unet(2048, 32))).toBe(1);
  });

  it('is halved when memory runs out, says so, and loses no example and does none twice', async () => {
    const done: number[] = [];
    await inParts(11, 8, async (first, rows) => {
      if (rows > 3) throw noRoom(rows);
      for (let i = 0; i < rows; i++) done.push(first + i);
    });
    expect(done).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(said).toEqual([
      'There is not enough memory for 8 at a time: going on with 4.',
      'There is not enough memory for 4 at a time: going on with 2.',
    ]);
    expect(
      await withParts(8, async (part) => {
        if (part > 3) throw noRoom(part);
        return part;
      }),
    ).toBe(2);
  });

  it('of one example that finds no room is an error, and so is any other at once', async () => {
    const tried: number[] = [];
    const failing = (error: Error) =>
      inParts(4, 4, async (_, rows) => {
        tried.push(rows);
        throw error;
      });
    await expect(failing(noRoom(7))).rejects.toThrow('no room for 7 bytes');
    await expect(failing(new TypeError('another'))).rejects.toThrow('another');
    await expect(failing(new Error('Aborted(). Build with -sASSERTIONS for more info.'))).rejects.toThrow();
    expect(tried).toEqual([4, 2, 1, 4, 4]);
  });

  it.each([
    ['the wasm backend has no room for 268435456 bytes', true, false],
    ['Array buffer allocation failed', true, false],
    ['Invalid typed array length: 784000000000', true, false],
    ['OOM when allocating tensor with shape[64,128,128,128] and type float', true, false],
    ['Aborted(). Build with -sASSERTIONS for more info.', false, true],
    ['memory access out of bounds', false, true],
    ['The data are 8×8×1, but the model is for 4×4×1.', false, false],
  ])('%s: out of memory %s, dead %s', (message, outOfMemory, dead) => {
    const error = new Error(message);
    expect([isOutOfMemory(error), isDead(error)]).toEqual([outOfMemory, dead]);
  });
});

describe('drawing in parts', () => {
  // A network whose x_0 depends on x_t and on the place within it, and which has room for three at once.
  const within = (room: number) =>
    reverseProcess({
      forward: gaussianDiffusion(cosine({ steps: 8 })),
      denoiser: (xt) => {
        if (xt.shape[0]! > room) throw noRoom(xt.shape[0]!);
        return tf.mul(xt, tf.tensor1d([0.5, -0.25, 0.125]));
      },
      predicts: x0Prediction,
      variance: fixedSmall,
    });
  const options = { sampler: ancestral(), shape: [3], count: 7, batch: 7, rng: rng(5) };

  it('draws the same samples and moments whatever there is room for, and leaves no tensor behind', async () => {
    const whole = await draw(within(7), { ...options, keep: () => true });
    const before = tf.memory().numTensors;
    const parts = await draw(within(3), { ...options, keep: () => true });
    expect(tf.memory().numTensors).toBe(before);
    expect(parts).toEqual(whole);
    expect(new Set(whole.samples).size).toBe(21);
    expect(said).toEqual([
      'There is not enough memory for 7 at a time: going on with 4.',
      'There is not enough memory for 4 at a time: going on with 2.',
    ]);
  });

  it('keeps of a thousand steps the moments that are shown, with as many tensors at the last as at the first', async () => {
    const long = reverseProcess({
      forward: gaussianDiffusion(cosine({ steps: 1000 })),
      denoiser: (xt) => tf.mul(xt, 0.5),
      predicts: x0Prediction,
      variance: fixedSmall,
    });
    const tensors = new Set<number>();
    const { frames } = await draw(long, {
      ...options,
      keep: isMoment,
      onStep: () => tensors.add(tf.memory().numTensors),
    });
    expect(frames.reduce((bytes, frame) => bytes + frame.byteLength, 0)).toBe(8 * 7 * 3 * 4);
    expect(tensors.size).toBe(1);
    // They are those that a sheet of all of them would show.
    const all = await draw(long, { ...options, keep: () => true });
    expect(all.frames.length).toBe(1001);
    expect(frames).toEqual(evenly(all.frames, 8));
  });
});
