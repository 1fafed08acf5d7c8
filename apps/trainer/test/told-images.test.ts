import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lowResolution } from '@diffusion-ts/datasets';
import { rng } from '@diffusion-ts/tensor';
import { expectAllClose, useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { convertCommand } from '../src/commands/convert.js';
import { evaluateCommand } from '../src/commands/evaluate.js';
import { inspectCommand } from '../src/commands/inspect.js';
import { sampleCommand } from '../src/commands/sample.js';
import { trainCommand } from '../src/commands/train.js';
import { readConfig } from '../src/run/folder.js';
import { openModel } from '../src/runs/open-model.js';
import { ofTestImages, toldImages, toldRows } from '../src/runs/told-images.js';
import { hash, inProcess, weightsOf } from './cli.js';
import { folder } from './folder.js';
import { photographs, TINY_IMAGES } from './tiny-images.js';

const CPU = ['--backend', 'cpu'];
const [run, first, plain] = ['run', 'first', 'plain'].map((name) => join(folder(), name)) as [
  string,
  string,
  string,
];
let path: string;

const train = (data: object, ...more: string[]) => {
  const file = join(folder(), 'config.json');
  writeFileSync(file, JSON.stringify({ ...TINY_IMAGES, data: { ...TINY_IMAGES.data, ...data, path } }));
  return inProcess(trainCommand, '--config', file, ...CPU, ...more);
};
const TOLD = { condition: { kind: 'low-resolution', factor: 2, noise: 0.5 } };
const sample = (...args: string[]) => inProcess(sampleCommand, ...args, ...CPU);

/** What a sheet of one row shows, pixel by pixel, in images of 4 × 4 each enlarged `scale` times. */
async function cells(file: string, count: number): Promise<number[][]> {
  const { data, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true });
  const cell = (info.width - 2) / count;
  const scale = (cell - 2) / 4;
  return Array.from({ length: count }, (_, k) =>
    Array.from({ length: 16 }, (_, i) => {
      const x = 2 + k * cell + (i % 4) * scale;
      const y = 2 + Math.floor(i / 4) * scale;
      return data[(y * info.width + x) * info.channels]!;
    }),
  );
}

beforeAll(async () => {
  await useBackend('cpu');
  path = await photographs('cat', 'dog');
  expect((await train(TOLD, '--out', run)).error).toBeUndefined();
  expect((await train({ reduction: 2 }, '--out', first)).error).toBeUndefined();
  expect((await train({}, '--out', plain)).error).toBeUndefined();
});

describe('a run that is told images', () => {
  it('resumes to the same weights', async () => {
    const again = join(folder(), 'again');
    await train(TOLD, '--out', again, '--steps', '1');
    await inProcess(trainCommand, '--out', again, '--steps', '2', '--resume', ...CPU);
    expect(weightsOf(again, 2)).toEqual(weightsOf(run, 2));
  });

  it('shows every sample between what it was told and the test image, whose class it has', async () => {
    const config = readConfig(run);
    const { kept, keptShape, labels, originals } = await ofTestImages(config, [0, 5]);
    expect([keptShape, labels]).toEqual([
      [2, 2, 1],
      [0, 1],
    ]);
    const out = join(folder(), 'sheet.png');
    await sample(run, '--count', '1', '--out', out);
    const [told, , original] = await cells(out, 3);
    const bytes = (values: Float32Array) => Array.from(values, (x) => Math.round((x + 1) * 127.5));
    expect(original).toEqual(bytes(originals!.subarray(0, 16)));
    const [a, b, c, d] = bytes(kept.subarray(0, 4));
    expect(told).toEqual([a, a, b, b, a, a, b, b, c, c, d, d, c, c, d, d]);
  });

  it('takes the test images of a class where one is asked for, and counts them round', async () => {
    const { labels, originals } = await ofTestImages(readConfig(run), [0, 1, 2, 3, 4, 9], 1);
    expect(labels).toEqual([1, 1, 1, 1, 1, 1]);
    expect(originals!.subarray(64, 80)).toEqual(originals!.subarray(0, 16));
    expect(originals!.subarray(80, 96)).toEqual(originals!.subarray(16, 32));
    expect(originals!.subarray(16, 32)).not.toEqual(originals!.subarray(0, 16));
  });

  it('draws sample i of the same image and noise whatever the batch and the company', async () => {
    const [whole, apart, one] = ['a', 'b', 'c'].map((name) => join(folder(), name)) as [
      string,
      string,
      string,
    ];
    const noisy = ['--condition-noise', '0.3', '--sampler', 'ancestral'];
    await sample(run, '--seeds', '0-4', '--out', whole, ...noisy);
    await sample(run, '--seeds', '0-4', '--out', apart, '--batch', '2', ...noisy);
    await sample(run, '--seeds', '3', '--out', one, ...noisy);
    for (const i of [0, 1, 2, 3, 4]) {
      expect(hash(join(apart, `${i}.png`))).toBe(hash(join(whole, `${i}.png`)));
    }
    expect(hash(join(one, '3.png'))).toBe(hash(join(whole, '3.png')));
  });

  it('bounds p(x | class, image), and says what it is told', async () => {
    const { printed } = await inProcess(evaluateCommand, run, '--timesteps', '4', '--json', ...CPU);
    expect(JSON.parse(printed).bounds).toBe('p(x | class, image)');
    const free = await inProcess(
      evaluateCommand,
      run,
      '--timesteps',
      '4',
      '--json',
      '--unconditional',
      ...CPU,
    );
    expect(JSON.parse(free.printed).bounds).toBe('p(x)');
    expect((await inProcess(inspectCommand, run)).printed).toContain('2 classes, told an image of 4×4×2:');
  });

  it('goes to diffusers and back', async () => {
    const [there, back] = [join(folder(), 'there'), join(folder(), 'back')];
    await inProcess(convertCommand, run, there);
    expect(JSON.parse(readFileSync(join(there, 'config.json'), 'utf8'))).toMatchObject({
      in_channels: 3,
      out_channels: 1,
    });
    expect((await inProcess(convertCommand, there, back)).error).toBeUndefined();
    expect(readConfig(back)).toEqual(readConfig(run));
  });
});

describe('--condition', () => {
  const toldBy = async (condition: string, count: number) => {
    const { config, built } = await openModel(run);
    const numbers = [...Array(count).keys()];
    return toldImages(
      { condition },
      { config, built, numbers, only: undefined, first: { rng: rng(5), label: (i) => i % 2 } },
    );
  };
  const pictureOf = async (bytes: number[], width: number) => {
    const file = join(folder(), 'picture.png');
    const raw = { width, height: bytes.length / width, channels: 1 } as const;
    await sharp(Uint8Array.from(bytes), { raw }).png().toFile(file);
    return file;
  };

  it('is a picture that is kept as it is, where it has as few pixels, for every sample', async () => {
    const { kept, keptShape, labels } = await toldBy(await pictureOf([0, 50, 100, 255], 2), 3);
    expect([keptShape, labels]).toEqual([[2, 2, 1], undefined]);
    const one = [0, 50, 100, 255].map((k) => k / 127.5 - 1);
    expectAllClose(kept, [...one, ...one, ...one], { absolute: 1e-6 });
  });

  it('is a picture of which is kept what would be of the data, scaled to their size if it has another', async () => {
    const bytes = Array.from({ length: 16 }, (_, i) => 16 * i);
    const { kept } = await toldBy(await pictureOf(bytes, 4), 1);
    const x0 = tf.tensor4d(
      bytes.map((k) => k / 127.5 - 1),
      [1, 4, 4, 1],
    );
    expectAllClose(kept, lowResolution(2).reduce(x0), { absolute: 1e-6 });
    const flat = await toldBy(await pictureOf(new Array(7 * 9).fill(60), 9), 1);
    expectAllClose(flat.kept, new Array(4).fill(60 / 127.5 - 1), { absolute: 1e-6 });
  });

  it('is a run whose samples the second goes on with by the same classes, the same for the same seed', async () => {
    const { kept, keptShape } = await toldBy(first, 4);
    expect(keptShape).toEqual([2, 2, 1]);
    expect(Math.max(...kept.map(Math.abs))).toBeLessThanOrEqual(1);
    expect((await toldBy(first, 4)).kept).toEqual(kept);
    expectAllClose((await toldBy(first, 2)).kept, kept.subarray(0, 8), { absolute: 1e-6 });
    const [a, b, other] = ['a', 'b', 'c'].map((name) => join(folder(), `${name}.png`)) as [
      string,
      string,
      string,
    ];
    const cascade = (out: string, seed: string) =>
      sample(
        run,
        '--condition',
        first,
        '--condition-noise',
        '0.1',
        '--count',
        '4',
        '--seed',
        seed,
        '--out',
        out,
      );
    expect((await cascade(a, '1')).error).toBeUndefined();
    await cascade(b, '1');
    await cascade(other, '2');
    expect(hash(a)).toBe(hash(b));
    expect(hash(a)).not.toBe(hash(other));
  });

  it('is noised as much as is asked for, which the network is told', async () => {
    const config = readConfig(run);
    const told = await ofTestImages(config, [0, 1, 2]);
    tf.tidy(() => {
      const clean = toldRows(config, told, rng(1), 0).image!(0, 3);
      const noisy = toldRows(config, told, rng(1), 0.5).image!(0, 3);
      const [image, level] = tf.split(noisy, 2, 3) as [tf.Tensor, tf.Tensor];
      expect([...new Set(level.dataSync())]).toEqual([0.5]);
      expect([...new Set(tf.split(clean, 2, 3)[1]!.dataSync())]).toEqual([0]);
      const difference = tf.sub(image, tf.split(clean, 2, 3)[0]!);
      const noise = rng(1).fork('condition').normal([3, 2, 2, 1]) as tf.Tensor4D;
      expectAllClose(difference, lowResolution(2).enlarge(tf.mul(noise, 0.5)), { absolute: 1e-6 });
    });
  });

  it('is refused in one sentence where it cannot be', async () => {
    const out = ['--out', join(folder(), 'no.png')];
    expect((await sample(plain, '--condition', first, ...out)).error).toBe(
      '--condition goes with a run that is told an image (data.condition), which this one is not.',
    );
    expect((await sample(plain, '--condition-noise', '0.1', ...out)).error).toBe(
      '--condition-noise goes with a run that is told an image (data.condition), which this one is not.',
    );
    expect((await sample(run, '--condition', 'nowhere', ...out)).error).toBe(
      '--condition is nowhere, and there is nothing of that name: expected a picture or a run.',
    );
    expect((await sample(run, '--condition-noise', '0.6', ...out)).error).toBe(
      '--condition-noise is 0.6: expected at most 0.5, as much as this run learned of (data.condition.noise).',
    );
    expect((await sample(run, '--condition', plain, ...out)).error).toBe(
      `${plain} draws 4×4×1: expected a run that draws images of 2×2×1, which is what this one is told.`,
    );
    const text = join(folder(), 'text.png');
    writeFileSync(text, 'no picture');
    expect((await sample(run, '--condition', text, ...out)).error).toMatch(
      /text\.png cannot be read as a picture: .*unsupported image format/,
    );
    const unlabelled = join(folder(), 'unlabelled');
    await train({ reduction: 2, labels: false }, '--out', unlabelled);
    expect((await sample(run, '--condition', unlabelled, ...out)).error).toBe(
      `${unlabelled} knows no classes: expected the 2 of this run, by which its samples go on.`,
    );
  });
});
