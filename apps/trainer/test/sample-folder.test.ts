import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { sampleCommand } from '../src/commands/sample.js';
import { trainCommand } from '../src/commands/train.js';
import { hash, inProcess, train } from './cli.js';
import { folder } from './folder.js';
import { photographs, TINY_IMAGES } from './tiny-images.js';

const CPU = ['--backend', 'cpu'];
let images: string;
let points: string;

beforeAll(async () => {
  const config = join(folder(), 'tiny.json');
  images = join(folder(), 'run');
  const data = { ...TINY_IMAGES.data, path: await photographs('a', 'b') };
  writeFileSync(config, JSON.stringify({ ...TINY_IMAGES, data }));
  await inProcess(trainCommand, '--config', config, '--out', images, ...CPU);
  points = join(folder(), 'run');
  await inProcess(trainCommand, ...train(points, '--steps', '1').slice(1));
});

const sample = (...args: string[]) => inProcess(sampleCommand, ...args, ...CPU);

/** An array of samples.npz: what its header says, and its numbers. */
function arrayOf(file: string, name: string): { header: string; values: number[] } {
  const bytes = unzipSync(readFileSync(file))[`${name}.npy`]!;
  const start = 10 + bytes[8]! + 256 * bytes[9]!;
  expect([Buffer.from(bytes.subarray(0, 8)).toString('latin1'), start % 64]).toEqual([
    '\x93NUMPY\x01\x00',
    0,
  ]);
  const header = Buffer.from(bytes.subarray(10, start)).toString('latin1');
  const numbers = bytes.slice(start).buffer;
  const Type = header.includes('<i4') ? Int32Array : header.includes('<f8') ? Float64Array : Float32Array;
  return { header: header.trim(), values: [...new Type(numbers)] };
}

describe('diffusion sample --seeds', () => {
  it('draws for each seed what it draws for that seed alone, into a file of its name', async () => {
    const [many, one] = [join(folder(), 'many'), join(folder(), 'one')];
    await sample(images, '--sampler', 'ancestral', '--seeds', '3-5,100', '--out', many, '--batch', '2');
    await sample(images, '--sampler', 'ancestral', '--seeds', '100', '--out', one);
    expect(readdirSync(many).sort()).toEqual(['100.png', '3.png', '4.png', '5.png']);
    expect(hash(join(many, '100.png'))).toBe(hash(join(one, '100.png')));
    const { width, height } = await sharp(join(many, '3.png')).metadata();
    expect([width, height], 'as large as the data').toEqual([4, 4]);
  });

  it('draws for seed n what --seed n draws first', async () => {
    const [seed, seeds] = [join(folder(), 'seed'), join(folder(), 'seeds')];
    await sample(images, '--seed', '8', '--count', '1', '--class', '1', '--out', seed);
    await sample(images, '--seeds', '8', '--class', '1', '--out', seeds);
    expect(hash(join(seeds, '8.png'))).toBe(hash(join(seed, '0.png')));
  });

  it('writes the numbers for NumPy, with the seed and the class of each', async () => {
    const out = join(folder(), 'out');
    await sample(images, '--seeds', '6,1', '--out', out, '--npz');
    const file = join(out, 'samples.npz');
    const { header, values } = arrayOf(file, 'samples');
    expect(header).toBe("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4, 4, 1), }");
    const grey = await sharp(join(out, '1.png')).greyscale().raw().toBuffer();
    const bytes = values.slice(16).map((x) => Math.min(255, Math.max(0, Math.round((x + 1) * 127.5))));
    expect(bytes).toEqual([...grey]);
    expect(arrayOf(file, 'seeds')).toEqual({
      header: "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }",
      values: [6, 1],
    });
    expect(arrayOf(file, 'labels').values, 'classes go by the seed').toEqual([0, 1]);
  });

  it('writes points into a folder as numbers alone', async () => {
    const out = join(folder(), 'out');
    const { printed } = await sample(points, '--count', '7', '--out', out, '--npz');
    expect(printed).toBe(`${out}\n`);
    expect(readdirSync(out)).toEqual(['samples.npz']);
    expect(arrayOf(join(out, 'samples.npz'), 'samples').header).toContain("'shape': (7, 2)");
  });

  it('refuses in a sentence, before it draws, what cannot be written', async () => {
    const out = join(folder(), 'out');
    const error = async (...args: string[]) => (await sample(...args)).error;
    expect(await error(points, '--out', out)).toBe(
      `--out is the folder ${out}: expected a file, since samples of this run are no images, or --npz with it.`,
    );
    expect(await error(images, '--out', 'x.png', '--npz')).toBe(
      '--npz goes with a folder, and --out is x.png.',
    );
    expect(await error(images, '--out', 'x.jpg')).toBe('--out is x.jpg: expected a file that ends in .png.');
    expect(await error(images, '--gif', 'x.mp4')).toBe(
      '--gif is x.mp4: expected a file that ends in .gif or .webp.',
    );
    expect(existsSync(out)).toBe(false);
  });
});
