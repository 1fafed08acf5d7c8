import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { diffusionHere as diffusion, hash, TINY } from './cli.js';
import { folder } from './folder.js';
import { photographs, TINY_IMAGES } from './tiny-images.js';

const sizes = vi.hoisted((): number[] => []);
vi.mock('../src/ranks.js', async (original) => {
  const module = await original<typeof import('../src/ranks.js')>();
  const withRanks: typeof module.withRanks = (size, ...rest) => {
    sizes.push(size);
    return module.withRanks(size, ...rest);
  };
  return { ...module, withRanks };
});

const path = folder();
const run = (name: string): string => join(path, name);
const [images, classifier, points] = [run('images'), run('classifier'), run('points')];
const [told, small] = [run('told'), run('small')];
let photo: string;

const { up_block_types: _, ...encoder } = TINY_IMAGES.model;
const CLASSIFIER = {
  data: TINY_IMAGES.data,
  model: { ...encoder, _class_name: 'Classifier' },
  process: { schedule: { kind: 'cosine', steps: 10 } },
  loss: { kind: 'cross-entropy' },
  training: { ...TINY_IMAGES.training, labelDropout: 0 },
};

beforeAll(async () => {
  // So many that they go through a network in two parts.
  const data = await photographs(...Array.from({ length: 17 }, (_, k) => `class ${k}`));
  photo = join(data, 'class 16', '3.png');
  const settings = { ...TINY_IMAGES, training: { ...TINY_IMAGES.training, labelDropout: 0.1 } };
  const learnOf = (data: object): object => ({ ...settings, data: { ...settings.data, ...data } });
  for (const [run, config] of [
    [images, settings],
    [classifier, CLASSIFIER],
    [told, learnOf({ condition: { kind: 'low-resolution', factor: 2, noise: 0.5 } })],
    [small, learnOf({ reduction: 2 })],
  ] as const) {
    const file = `${run}.json`;
    writeFileSync(file, JSON.stringify(config));
    const made = await diffusion(
      ...['train', '--config', file, '--data', data, '--out', run, '--backend', 'cpu'],
    );
    expect(made.stderr).toContain('Done.');
  }
  await diffusion('train', ...TINY, '--out', points, '--steps', '2');
});

/** The samples that so many workers draw, number by number, and what else they leave. */
async function drawn(workers: number, run: string, ...args: string[]): Promise<unknown[]> {
  const out = join(folder(), 'drawn');
  mkdirSync(out);
  const { code, stderr } = await diffusion(
    ...['sample', run, '--out', out, '--npz', '--gif', join(out, 'way.gif'), '--workers', String(workers)],
    ...args,
  );
  expect([code, stderr, sizes.pop()]).toEqual([0, expect.not.stringContaining('error'), workers]);
  const { 'samples.npy': samples } = unzipSync(readFileSync(join(out, 'samples.npz')));
  return [Buffer.from(samples!).toString('base64'), hash(join(out, 'way.gif'))];
}

/** What a command prints, without what depends on the clock. */
async function printed(workers: number, ...args: string[]): Promise<unknown> {
  const { code, stdout } = await diffusion(...args, '--json', '--workers', String(workers));
  expect([code, sizes.pop()]).toEqual([0, workers]);
  return JSON.parse(stdout, (key, value) => (key === 'seconds' ? undefined : value));
}

describe('several workers', () => {
  it.each(['cpu', 'wasm'])(
    'draw on %s the very samples that one draws, and their way from the noise',
    async (backend) => {
      const asked = ['--count', '5', '--sampler', 'ancestral', '--guidance', '1', '--backend', backend];
      const alone = await drawn(1, images, ...asked);
      expect(await drawn(2, images, ...asked)).toEqual(alone);
      expect(await drawn(3, images, ...asked)).toEqual(alone);
      expect(await drawn(1, images, ...asked, '--seed', '1')).not.toEqual(alone);
    },
  );

  it.each([
    [
      'of seeds, of a class, in parts',
      'images',
      ['--seeds', '9,3,4-6', '--class', 'class 2', '--batch', '2'],
    ],
    ['of a picture', 'images', ['--init', 'PHOTO', '--count', '3']],
    ['led by a classifier', 'images', ['--classifier', 'CLASSIFIER', '--count', '3']],
    ['told of test images', 'told', ['--condition-noise', '0.3', '--count', '3']],
    ['told of the samples of a run', 'told', ['--condition', 'SMALL', '--count', '3']],
    ['that find their steps', 'images', ['--sampler', 'rk45', '--batch', '2', '--count', '5']],
    ['of points', 'points', ['--count', '5', '--batch', '2']],
  ])('draw the very samples %s', async (_, name, asked) => {
    const places: Record<string, string> = {
      PHOTO: photo,
      CLASSIFIER: classifier,
      SMALL: small,
      images,
      points,
      told,
    };
    const args = asked.map((arg) => places[arg] ?? arg);
    expect(await drawn(2, places[name]!, ...args, '--backend', 'cpu')).toEqual(
      await drawn(1, places[name]!, ...args, '--backend', 'cpu'),
    );
  });

  it.each([
    ['cpu', 3],
    ['wasm', 2],
  ])('estimate the bound on %s to the last bit as one does', async (backend, workers) => {
    const asked = [
      'evaluate',
      images,
      '--timesteps',
      '3',
      '--limit',
      '7',
      '--repeats',
      '2',
      '--backend',
      backend,
    ];
    const alone = await printed(1, ...asked);
    expect(alone).toMatchObject({ images: 7, bitsPerDim: expect.any(Number) });
    expect(await printed(workers, ...asked)).toEqual(alone);
  });

  it.each([
    ['how many classes are found', () => ['evaluate', classifier]],
    ['the likelihood by the flow', () => ['evaluate', images, '--ode', '--limit', '17']],
    [
      'samplers',
      () => ['compare', images, '--samplers', 'ancestral,ddim', '--steps', '2', '--seeds', '1,2,5'],
    ],
  ])('tell %s to the last bit as one does', async (_, command) => {
    const asked = [...command(), '--backend', 'cpu'];
    expect(await printed(2, ...asked)).toEqual(await printed(1, ...asked));
  });
});
