import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from '@diffusion-ts/recipes';
import { parseConfig } from '@diffusion-ts/recipes/config';
import { disposeParams, mapParams, rng } from '@diffusion-ts/tensor';
import { useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { sampleCommand } from '../src/commands/sample.js';
import { checkpointFiles } from '../src/run/checkpoint-files.js';
import { diffusionHere as diffusion, hash, inProcess, train } from './cli.js';
import { folder } from './folder.js';

const CPU = ['--backend', 'cpu'];
const SIZE = 4;
const path = folder();
const file = (name: string): string => join(path, name);
const model = {
  ...{ _class_name: 'UNet2DModel', sample_size: SIZE, in_channels: 1, out_channels: 1, layers_per_block: 1 },
  ...{ block_out_channels: [4], down_block_types: ['DownBlock2D'], up_block_types: ['UpBlock2D'] },
  ...{ norm_num_groups: 2, attention_head_dim: 4 },
};
const IMAGES = {
  data: { kind: 'images', path: '.', height: SIZE, width: SIZE, channels: 1, labels: false },
  process: { schedule: { kind: 'cosine', steps: 100 }, predicts: 'v' },
  sampling: { sampler: 'ddim', steps: 20, count: 3 },
  model,
};

/** A folder with such a config, and weights of which every element counts. */
async function modelOf(name: string, changes: object = {}): Promise<string> {
  const config = parseConfig({ ...IMAGES, ...changes }, name);
  const { network } = build(config);
  const params = tf.tidy(() =>
    mapParams(network.init(rng(0)), ({ shape }, key) => tf.mul(rng(5).fork(key).normal(shape), 0.2)),
  );
  const state = { step: 0, params, slots: {}, lossHistory: undefined };
  const files = await checkpointFiles(state as never, network, {});
  mkdirSync(file(name));
  writeFileSync(join(file(name), 'config.json'), JSON.stringify({ ...config, model: network.config }));
  writeFileSync(join(file(name), 'model.safetensors'), files['model.safetensors']!);
  disposeParams(params);
  return file(name);
}

/** A grey picture of these pixels, by rows. */
async function picture(name: string, pixels: readonly number[], width = SIZE): Promise<string> {
  const raw = { width, height: pixels.length / width, channels: 1 as const };
  await sharp(Uint8Array.from(pixels), { raw }).png().toFile(file(name));
  return file(name);
}

const A = Array.from({ length: SIZE * SIZE }, (_, i) => (37 * i) % 256);
const B = A.map((grey) => 255 - grey);
const LOWER = A.map((_, i) => (i >= 8 ? 255 : 0));
let images: string;
let points: string;

beforeAll(async () => {
  await useBackend('cpu');
  points = file('points');
  [images] = await Promise.all([
    modelOf('images'),
    picture('a.png', A),
    picture('b.png', B),
    picture('mask.png', LOWER),
    picture('black.png', new Array(16).fill(0)),
    picture('wide.png', new Array(20).fill(255), 5),
    diffusion(...train(points, '--steps', '4', '--set', 'training.checkpointEvery=2')),
  ]);
  writeFileSync(file('none.png'), 'no picture');
});

/** The pixels of the samples that a command draws, each in a file of its own. */
async function drawn(...args: string[]): Promise<number[][]> {
  const out = join(folder(), 'out');
  const { error } = await inProcess(sampleCommand, ...args, ...CPU, '--out', out);
  expect(error).toBeUndefined();
  const count = Number(args[args.indexOf('--count') + 1]);
  return Promise.all(
    Array.from({ length: count }, async (_, i) => [
      ...(await sharp(join(out, `${i}.png`))
        .greyscale()
        .raw()
        .toBuffer()),
    ]),
  );
}
const difference = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));

describe('diffusion sample', () => {
  it('leaves of a picture what its mask covers, and draws the rest, as each sample would alone', async () => {
    const args = [images, '--init', file('a.png'), '--mask', file('mask.png'), '--count', '3'];
    const samples = await drawn(...args);
    for (const sample of samples) {
      expect(sample.slice(0, 8)).toEqual(A.slice(0, 8));
      expect(difference(sample.slice(8), A.slice(8))).toBeGreaterThan(20);
    }
    expect(samples[0]).not.toEqual(samples[1]);
    expect(await drawn(...args, '--batch', '1')).toEqual(samples);
    // With a strength the rest begins at the picture too.
    const [near] = await drawn(...args, '--strength', '0.05');
    expect(near!.slice(0, 8)).toEqual(A.slice(0, 8));
    expect(difference(near!, A)).toBeLessThan(difference(samples[0]!, A));
  });

  it('starts from a picture, and goes the farther the stronger', async () => {
    const args = (strength: string) => [
      images,
      '--init',
      file('a.png'),
      '--strength',
      strength,
      '--count',
      '2',
    ];
    const mean = (sample: number[]): number =>
      sample.reduce((sum, grey, i) => sum + Math.abs(grey - A[i]!), 0) / sample.length;
    const far: number[] = [];
    for (const strength of ['0.05', '0.4', '1']) far.push(mean((await drawn(...args(strength)))[0]!));
    expect(far[0]!).toBeLessThan(far[1]!);
    expect(far[1]!).toBeLessThan(far[2]!);
    const samples = await drawn(...args('0.4'), '--sampler', 'ancestral');
    expect(samples[0]).not.toEqual(samples[1]);
    expect(await drawn(...args('0.4'), '--sampler', 'ancestral', '--batch', '1')).toEqual(samples);
  });

  it('goes from one picture to another', async () => {
    const args = [images, '--interpolate', file('a.png'), file('b.png'), '--steps', '25', '--count', '3'];
    const samples = await drawn(...args);
    // As near as so few steps there and back.
    expect(difference(samples[0]!, A)).toBeLessThan(40);
    expect(difference(samples[2]!, B)).toBeLessThan(40);
    expect(difference(samples[1]!, A)).toBeGreaterThan(60);
    expect(difference(samples[1]!, B)).toBeGreaterThan(60);
    expect(await drawn(...args, '--batch', '2')).toEqual(samples);
  });

  it('is guided by an earlier step of the same run, and not at all by the step itself', async () => {
    const svg = async (...more: string[]): Promise<string> => {
      const out = join(folder(), 'out.png');
      const { error } = await inProcess(sampleCommand, points, ...CPU, '--out', out, ...more);
      expect(error).toBeUndefined();
      return hash(out);
    };
    const free = await svg();
    expect(await svg('--guide', `${points}@4`, '--guidance', '3')).toBe(free);
    expect(await svg('--guide', `${points}@2`, '--guidance', '3')).not.toBe(free);
  });

  const a = () => ['--init', file('a.png')];
  it.each<[string, () => string[], string]>([
    ['strength alone', () => ['--strength', '0.5'], '--strength goes with --init'],
    ['a mask alone', () => ['--mask', file('mask.png')], '--mask goes with --init'],
    [
      'two kinds of editing',
      () => [...a(), '--interpolate', file('a.png'), file('b.png')],
      '--init does not go with',
    ],
    [
      'three pictures',
      () => ['--interpolate', ...['a.png', 'b.png', 'a.png'].map(file)],
      'takes two pictures, not 3',
    ],
    [
      'a sampler that cannot go back',
      () => ['--interpolate', file('a.png'), file('b.png'), '--sampler', 'heun'],
      '--interpolate goes the way of --sampler ddim with --eta 0',
    ],
    [
      'guidance on the way back',
      () => ['--interpolate', file('a.png'), file('b.png'), '--guidance', '1'],
      '--guidance does not go with --interpolate',
    ],
    [
      'seeds without noise',
      () => ['--interpolate', file('a.png'), file('b.png'), '--seeds', '1,2'],
      '--seeds does not go with --interpolate',
    ],
    [
      'one picture of two',
      () => ['--interpolate', file('a.png'), file('b.png'), '--count', '1'],
      '--count is 1: expected at least 2 with --interpolate',
    ],
    ['a guide without a scale', () => ['--guide', points], '--guide needs --guidance'],
    [
      'a picture that is not there',
      () => ['--init', 'gone.png'],
      '--init is gone.png, and there is nothing of that name',
    ],
    ['a picture that is none', () => ['--init', file('none.png')], 'none.png cannot be read as a picture'],
    [
      'a mask of another size',
      () => [...a(), '--mask', file('wide.png')],
      `wide.png has 5×4 pixels: expected 4×4, as ${file('a.png')} has`,
    ],
    ['a mask without white', () => [...a(), '--mask', file('black.png')], 'black.png is black all over'],
    [
      'a guide that draws something else',
      () => ['--guide', points, '--guidance', '1'],
      `points draws 2: expected 4×4×1, as ${file('images')} does, which it is to guide`,
    ],
    [
      'a guide at no step',
      () => ['--guide', `${points}@late`, '--guidance', '1'],
      'expected a run, or RUN@STEP with the step of a checkpoint',
    ],
    [
      'a guide at a step that is not there',
      () => ['--guide', `${points}@3`, '--guidance', '1'],
      'points has no checkpoint of step 3: there is 2, 4.',
    ],
    [
      'a step of weights alone',
      () => ['--guide', `${file('images')}@3`, '--guidance', '1'],
      'images is no run with checkpoints, of which that of step 3 could be taken',
    ],
  ])('refuses %s in a sentence, before any work', async (_, args, sentence) => {
    const { error, printed } = await inProcess(
      sampleCommand,
      images,
      ...CPU,
      '--out',
      file('x.png'),
      ...args(),
    );
    expect([error, printed]).toEqual([expect.stringContaining(sentence), '']);
  });

  it('refuses what the other run says otherwise', async () => {
    const guide = async (name: string, changes: object): Promise<string | undefined> =>
      (
        await inProcess(
          ...[sampleCommand, images, ...CPU, '--out', file('x.png')],
          ...['--guide', await modelOf(name, changes), '--guidance', '1'],
        )
      ).error;
    expect(
      await guide('other-prediction', { process: { ...IMAGES.process, predicts: 'epsilon' } }),
    ).toContain('other-prediction has another process.predicts: expected "v"');
    expect(await guide('other-data', { data: { kind: 'mnist', labels: false } })).toContain(
      'other-data learned of mnist: expected images',
    );
    const labelled = { ...IMAGES.data, labels: true };
    expect(
      await guide('other-classes', { data: labelled, model: { ...model, num_class_embeds: 3 } }),
    ).toContain('other-classes is told 2 classes and none: expected no classes');
  });

  it('refuses to edit what is no image', async () => {
    const edited = async (run: string, ...args: string[]): Promise<string | undefined> =>
      (await inProcess(sampleCommand, run, ...CPU, '--out', file('x.png'), ...args)).error;
    expect(await edited(points, '--init', file('a.png'))).toContain(
      '--init goes with a run that draws images: this one draws points',
    );
    const labelled = { ...IMAGES.data, labels: true };
    const told = await modelOf('only-classes', {
      data: labelled,
      model: { ...model, num_class_embeds: 2 },
      training: { labelDropout: 0 },
    });
    expect(await edited(told, '--interpolate', file('a.png'), file('b.png'))).toContain(
      '--interpolate needs --class: this model draws nothing without one',
    );
  });
});
