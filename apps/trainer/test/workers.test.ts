import { readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { batches, type Dataset } from '@diffusion-ts/datasets';
import { describe, expect, it } from 'vitest';
import { checkpointSteps } from '../src/run/checkpoints.js';
import { apart, diffusionHere as diffusion, losses, said, start, TINY, train, weightsOf } from './cli.js';
import { folder } from './folder.js';
import { photographs, TINY_IMAGES } from './tiny-images.js';

const TEN = ['--steps', '10', '--set', 'training.decay=constant'];

const sets = (...settings: string[]): string[] => settings.flatMap((setting) => ['--set', setting]);
const FLOW = [
  ...['--preset', 'moons', '--backend', 'cpu', '--batch', '4'],
  ...sets(
    'data.size=64',
    'model.hidden=4',
    'model.layers=1',
    'model.timeFeatures=4',
    'training.sampleEvery=0',
  ),
  ...sets(
    'process.schedule.kind=rectified',
    'process.predicts=flow',
    'sampling.sampler=heun',
    'sampling.steps=4',
  ),
];

/** Trains by so many workers, and returns the run. */
const trained = (workers: number, ...more: string[]): Promise<string> => trainedAs(TINY, workers, ...more);

async function trainedAs(settings: readonly string[], workers: number, ...more: string[]): Promise<string> {
  const run = join(folder(), 'run');
  const { code, stderr } = await diffusion(
    ...['train', ...settings, '--out', run, ...TEN, ...more, '--workers', String(workers)],
  );
  expect([code, stderr]).toEqual([0, expect.stringContaining(`in ${run} on `)]);
  return run;
}

describe('diffusion train --workers', () => {
  it.each(['cpu', 'wasm'])('learns on %s by two what one learns', async (backend) => {
    const more = ['--backend', backend, '--set', 'training.sampleEvery=5', '--set', 'training.microBatch=1'];
    const [one, two] = [await trained(1, ...more), await trained(2, ...more)];
    expect(apart(one, two, 10)).toBeLessThan(1e-5);
    // What two add up is rounded otherwise: that they did is seen from it.
    expect(weightsOf(two, 10)).not.toEqual(weightsOf(one, 10));
    expect(readdirSync(join(two, 'samples')).sort()).toEqual(['10.png', '5.png']);
  });

  it('ends each time with the same bytes', async () => {
    const [two, again] = [await trained(2), await trained(2)];
    expect(weightsOf(again, 10)).toEqual(weightsOf(two, 10));
    expect(losses(again)).toEqual(losses(two));
  });

  it('goes on with another number of workers to where one would have come', async () => {
    const one = await trained(1);
    for (const [first, second] of [
      ['1', '2'],
      ['2', '1'],
    ] as const) {
      const run = join(folder(), 'run');
      await diffusion(...train(run, ...TEN, '--steps', '4', '--workers', first));
      const { code, stderr } = await diffusion(...train(run, ...TEN, '--resume', '--workers', second));
      expect([code, stderr]).toEqual([0, expect.stringContaining('Resuming at step 4')]);
      expect(apart(one, run, 10)).toBeLessThan(1e-5);
    }
  });

  it('draws the pairs of a reflow on all workers', async () => {
    const teacher = await trainedAs(FLOW, 1);
    const more = ['--reflow', teacher, ...sets('training.pairs=7')];
    const [one, two] = [await trainedAs(FLOW, 1, ...more), await trainedAs(FLOW, 2, ...more)];
    expect(apart(one, two, 10)).toBeLessThan(1e-5);
  });

  it('that is interrupted by Ctrl-C stops all of them after one step, which it saves', async () => {
    const run = join(folder(), 'run');
    const { child, end } = start(train(run, '--steps', '100000', '--workers', '2'));
    await said(child, 'train 1/');
    child.kill('SIGINT');
    const { code, stderr } = await end;
    const [step, ...others] = checkpointSteps(run);
    expect([code, others]).toEqual([130, []]);
    expect(stderr).toContain(`Saved step ${step}.`);
    expect(losses(run).at(-1)!.step).toBeGreaterThan(step! - 2);
  });

  it('that fails on one of them says which and why, and keeps the step before', async () => {
    const data = await photographs('cat', 'dog');
    const [, second] = await indicesOf(8, 4, 0);
    // The last row of the second batch: a row of the second worker's.
    const index = second![3]!;
    const photo = join(data, index < 4 ? 'cat' : 'dog', `${index % 4}.png`);
    truncateSync(photo, 60);
    const config = join(folder(), 'config.json');
    const training = { ...TINY_IMAGES.training, seed: 0, steps: 16 };
    writeFileSync(config, JSON.stringify({ ...TINY_IMAGES, training }));
    const run = join(folder(), 'run');
    const { code, stderr } = await diffusion(
      ...['train', '--config', config, '--data', data, '--out', run, '--backend', 'cpu', '--workers', '2'],
    );
    expect([code, checkpointSteps(run), losses(run).length]).toEqual([1, [1], 1]);
    const [said, ...others] = stderr.split('\n').filter((line) => line.includes('failed'));
    expect([said, others]).toEqual([
      expect.stringMatching(
        /^error: Rank 1 failed: .*\d\.png cannot be decoded as an image \(.*\)\. The last good checkpoint is that of step 1\. Go on with --resume\.$/,
      ),
      [],
    ]);
    expect(said).toContain(photo);
  });

  it.each([
    ['3', '--workers is 3: expected a number that divides the batch (training.batch) of 4, such as 2.'],
    ['8', '--workers is 8: expected a number that divides the batch (training.batch) of 4, such as 4.'],
  ])('%s is refused for a batch of 4 before anything is made', async (workers, sentence) => {
    const run = join(folder(), 'run');
    const { code, stderr } = await diffusion(...train(run, '--workers', workers));
    expect([code, stderr]).toEqual([2, `error: ${sentence}\n`]);
  });
});

/** Which examples the first two batches are made of. */
async function indicesOf(size: number, batch: number, seed: number): Promise<number[][]> {
  const asked: number[][] = [];
  const dataset = { size, batch: async (indices: readonly number[]) => void asked.push([...indices]) };
  const all = batches(dataset as unknown as Dataset, { size: batch, seed });
  await all.next().catch(() => {});
  return asked;
}
