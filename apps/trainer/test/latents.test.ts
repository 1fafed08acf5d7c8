import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rng } from '@diffusion-ts/tensor';
import { useBackend } from '@diffusion-ts/testing';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { evaluateCommand } from '../src/commands/evaluate.js';
import { sampleCommand } from '../src/commands/sample.js';
import { trainCommand } from '../src/commands/train.js';
import { firstStageBits, latentsOf } from '../src/runs/first-stage.js';
import { inProcess } from './cli.js';
import { folder } from './folder.js';
import { photographs, TINY_IMAGES } from './tiny-images.js';

const WASM = ['--backend', 'wasm'];
const stage = join(folder(), 'stage');
const run = join(folder(), 'run');

const written = (settings: object): string => {
  const file = join(folder(), 'config.json');
  writeFileSync(file, JSON.stringify(settings));
  return file;
};
const configOf = (path: string) => JSON.parse(readFileSync(join(path, 'config.json'), 'utf8'));

const AUTOENCODER = {
  data: { ...TINY_IMAGES.data, labels: false },
  model: {
    _class_name: 'AutoencoderKL',
    block_out_channels: [4, 4],
    down_block_types: ['DownEncoderBlock2D', 'DownEncoderBlock2D'],
    up_block_types: ['UpDecoderBlock2D', 'UpDecoderBlock2D'],
    latent_channels: 3,
    norm_num_groups: 2,
  },
  loss: { kind: 'elbo' },
  training: { steps: 4, batch: 4, learningRate: 0.01, sampleEvery: 2, logEvery: 1 },
  sampling: { sampler: 'ancestral', steps: null, count: 3 },
};
const LATENTS = {
  ...TINY_IMAGES,
  data: { kind: 'latents' },
  process: { ...TINY_IMAGES.process, clip: null },
  training: { ...TINY_IMAGES.training, sampleEvery: 2 },
};

const train = (settings: object, ...more: string[]) =>
  inProcess(trainCommand, '--config', written(settings), ...WASM, ...more);

describe('an autoencoder and a diffusion model of its latents', () => {
  beforeAll(async () => {
    await useBackend('wasm');
    const data = await photographs('cat', 'dog');
    expect((await train(AUTOENCODER, '--data', data, '--out', stage)).error).toBeUndefined();
    expect((await train(LATENTS, '--data', stage, '--out', run)).error).toBeUndefined();
  });

  it('draw images through the decoder, by the classes of the images', async () => {
    expect(configOf(run).model).toMatchObject({ sample_size: 2, in_channels: 3, num_class_embeds: 3 });
    const out = join(folder(), 'dogs.png');
    const { error } = await inProcess(
      sampleCommand,
      run,
      '--class',
      'dog',
      '--count',
      '1',
      '--out',
      out,
      ...WASM,
    );
    expect(error).toBeUndefined();
    const alone = await sharp(out).metadata();
    const sheet = await sharp(join(run, 'samples', '2.png')).metadata();
    // Pixels of images of four, not of latents of two: the sheet of the autoencoder has the same cells.
    const own = join(folder(), 'one.png');
    await inProcess(sampleCommand, stage, '--count', '1', '--out', own, ...WASM);
    const { width, height } = await sharp(own).metadata();
    expect([alone.width, alone.height]).toEqual([width, height]);
    expect(sheet.width).toBeGreaterThan(alone.width!);
  });

  it('keeps the scale that was measured: latents of deviation 1', () => {
    expect(configOf(run).data).toMatchObject({ kind: 'latents', path: stage, labels: true });
    expect(configOf(run).data.scale).toBeGreaterThan(0.3);
    expect(configOf(run).data.scale).toBeLessThan(3);
  });

  it('bound the images: distortion, encoding and latents add up', async () => {
    const evaluated = async () => {
      const { printed } = await inProcess(evaluateCommand, run, '--timesteps', '10', '--json', ...WASM);
      return JSON.parse(printed).throughLatents;
    };
    const { bitsPerDim, distortion, encoding, latents } = await evaluated();
    expect(distortion + encoding + latents).toBeCloseTo(bitsPerDim, 10);
    expect(latents).toBeGreaterThan(-2);
    // The autoencoder's own bound has the same distortion: 16 pixels, of two networks that learned nothing to speak of.
    const { printed } = await inProcess(evaluateCommand, stage, '--json', ...WASM);
    expect(Math.abs(JSON.parse(printed).reconstruction - distortion)).toBeLessThan(0.5);
  });

  it('pay for a scale in the encoding what they save in the latents: log₂ of it for each', async () => {
    const data = configOf(run).data;
    const bits = (scale: number) => firstStageBits({ ...data, scale }, 8, rng(3));
    const [one, four] = [await bits(1), await bits(4)];
    expect(four.distortion).toBe(one.distortion);
    expect(one.encoding - four.encoding).toBeCloseTo((12 * 2) / 16, 10);
  });

  it('are the same of an example whatever batch it is in, and other data of other weights', async () => {
    const data = configOf(run).data;
    const latents = await latentsOf(data, 'test');
    const [all, some] = [await latents.batch([0, 1, 2, 3]), await latents.batch([3, 1])];
    const rows = all.x0.arraySync() as number[][][][];
    const own = some.x0.arraySync() as number[][][][];
    [rows[3]!, rows[1]!].forEach((row, i) => {
      for (const [k, z] of row.flat(2).entries()) expect(own[i]!.flat(2)[k]).toBeCloseTo(z, 5);
    });
    expect(await latents.fingerprint!()).toBe(await (await latentsOf(data, 'test')).fingerprint!());
    const trained = { ...AUTOENCODER, training: { ...AUTOENCODER.training, seed: 1 } };
    const path = join(folder(), 'second');
    const images = configOf(stage).data.path;
    expect((await train(trained, '--data', images, '--out', path)).error).toBeUndefined();
    expect(await (await latentsOf({ ...data, path }, 'test')).fingerprint!()).not.toBe(
      await latents.fingerprint!(),
    );
    expect((await train(LATENTS, '--data', path, '--out', run, '--resume')).error).toContain(
      'of other names, sizes or contents',
    );
  });

  it('says what is wrong with the first stage', async () => {
    const other = join(folder(), 'other');
    expect((await train(LATENTS, '--data', run, '--out', other)).error).toBe(
      `${run} is a run of UNet2DModel: expected one of an AutoencoderKL, such as the preset mnist-vae trains.`,
    );
    expect((await train(LATENTS, '--out', other)).error).toContain(
      'data.path is not set: name the run of an autoencoder',
    );
    const clipped = { ...LATENTS, process: TINY_IMAGES.process };
    expect((await train(clipped, '--data', stage, '--out', other)).error).toContain(
      'process.clip is 1: expected null, since latents have no range',
    );
  });
});
