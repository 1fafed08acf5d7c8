import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp, { type Metadata } from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { compareCommand } from '../src/commands/compare.js';
import { trainCommand } from '../src/commands/train.js';
import type { Cell } from '../src/runs/compare-run.js';
import { diffusionHere as diffusion, inProcess, train } from './cli.js';
import { folder } from './folder.js';

const CPU = ['--backend', 'cpu'];
let points: string;

beforeAll(async () => {
  points = join(folder(), 'run');
  await inProcess(trainCommand, ...train(points, '--steps', '20').slice(1));
});

const compare = (...args: string[]) => inProcess(compareCommand, points, ...args, ...CPU);

describe('diffusion compare', () => {
  it('tells of each sampler in each number of steps what it asked of the network and how far it ends', async () => {
    const { printed } = await compare('--samplers', 'ancestral,ddim,heun', '--steps', '2,4,8', '--json');
    const { cells, seeds } = JSON.parse(printed) as { cells: Cell[]; seeds: number[] };
    expect(seeds).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(cells.map(({ sampler, steps, evaluations }) => [sampler, steps, evaluations])).toEqual([
      ['ancestral', 2, 2],
      ['ancestral', 4, 4],
      ['ancestral', 8, 8],
      ['ddim', 2, 2],
      ['ddim', 4, 4],
      ['ddim', 8, 8],
      // Two in each step, and one in the last.
      ['heun', 2, 3],
      ['heun', 4, 7],
      ['heun', 8, 15],
    ]);
    const far = cells.map(({ distance }) => distance);
    expect(far.slice(0, 3), 'ancestral sampling converges to no sample').toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(far[3]).toBeGreaterThan(far[4]!);
    expect(far[4]).toBeGreaterThan(far[5]!);
    expect(far[8], 'Heun in all 8 steps is the converged sample').toBe(0);
    expect(readFileSync(join(points, 'pictures', 'compare.json'), 'utf8')).toBe(printed);
    expect(readFileSync(join(points, 'report.html'), 'utf8')).toContain('Samplers side by side');
  });

  it('draws three columns for three numbers of steps and a row for each sampler, into a folder of its own', async () => {
    const sizes = [];
    for (const args of [
      ['--samplers', 'ddim', '--steps', '1,2,3'],
      ['--samplers', 'ddim,heun', '--steps', '1'],
    ]) {
      const out = join(folder(), 'out');
      expect((await compare(...args, '--out', out)).error).toBeUndefined();
      sizes.push(await sharp(join(out, 'compare.png')).metadata());
    }
    const [wide, high] = sizes as [Metadata, Metadata];
    expect(wide.width - high.width, 'two cells with their gaps, at two pixels a unit').toBe(2 * 2 * 160);
    expect(high.height).toBeGreaterThan(wide.height);
  });

  it('refuses in a sentence, before it draws, what it cannot compare', async () => {
    const out = join(folder(), 'out');
    expect((await compare('--samplers', 'ddim', '--steps', '9', '--out', out)).error).toBe(
      'sampling.steps is 9: expected at most the 8 steps of the schedule.',
    );
    const { code, stderr } = await diffusion('compare', points, '--samplers', 'heun,ddmi', '--out', out);
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining('Expected ddim, perhaps, or one of ancestral'),
    ]);
    for (const twice of [
      ['--samplers', 'ddim,ddim'],
      ['--steps', '2,2'],
      ['--seeds', '0-3,2'],
    ]) {
      const { code, stderr } = await diffusion('compare', points, ...twice, '--out', out);
      expect([code, stderr]).toEqual([2, expect.stringContaining(' is there twice.')]);
    }
    expect(existsSync(out)).toBe(false);
  });
});
