import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pointsOf } from '@diffusion-ts/recipes';
import { useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { trainCommand } from '../src/commands/train.js';
import { checkpointSteps } from '../src/run/checkpoints.js';
import { diffusionHere as diffusion, hash, inProcess, losses, type Result, weightsOf } from './cli.js';
import { folder } from './folder.js';

const CPU = ['--backend', 'cpu'];
const sets = (...settings: string[]): string[] => settings.flatMap((setting) => ['--set', setting]);
const SMALL = sets(
  ...['data.size=64', 'model.hidden=4', 'model.layers=1', 'model.timeFeatures=4'],
  ...['training.warmUp=0', 'training.logEvery=2', 'training.sampleEvery=3', 'sampling.count=8'],
);
const PROCESSES = {
  'flow matching': sets(
    'process.schedule.kind=rectified',
    'process.predicts=flow',
    'training.timesteps=logit-normal',
  ),
  EDM: sets(
    'process.schedule.kind=variance-exploding',
    'process.predicts=edm',
    'training.timesteps=log-normal',
  ),
};

function train(out: string, ...more: string[]): Promise<Result> {
  return diffusion('train', '--preset', 'moons', '--batch', '4', ...CPU, ...SMALL, '--out', out, ...more);
}

describe.each(Object.entries(PROCESSES))('a run of %s', (_, process) => {
  let run: string;
  const kind = process[1]!.replace(/^.*=/, '');
  const sampling = sets('sampling.steps=5', 'sampling.sampler=heun');

  beforeAll(async () => {
    run = join(folder(), 'run');
    const { code, stderr } = await train(run, ...process, ...sampling, '--steps', '6');
    expect([code, stderr]).toEqual([0, expect.stringContaining('Done. Look at ')]);
  });

  it('is trained, with its sheets, its strips and a report that says that its time is continuous', async () => {
    expect(losses(run).map(({ step }) => step)).toEqual([2, 4, 6]);
    for (const picture of [
      'samples/3.png',
      'samples/6.png',
      'pictures/forward.png',
      'pictures/reverse.png',
    ]) {
      expect((await sharp(join(run, picture)).stats()).isOpaque, picture).toBe(true);
    }
    expect(readFileSync(join(run, 'report.html'), 'utf8')).toContain(`${kind}, continuous time, predicts `);
    const { stdout } = await diffusion('inspect', run);
    expect(stdout).toContain(`${kind} schedule of continuous time, predicts `);
    expect(stdout).not.toContain('beta');
  });

  it('resumes to the same bytes', async () => {
    const parts = join(folder(), 'run');
    const settings = [...process, ...sampling, ...sets('training.decay=constant')];
    await train(parts, ...settings, '--steps', '4');
    await diffusion('train', '--out', parts, '--resume', '--steps', '6', ...CPU);
    const straight = join(folder(), 'run');
    await train(straight, ...settings, '--steps', '6');
    expect(weightsOf(parts, 6)).toEqual(weightsOf(straight, 6));
    expect(losses(parts)).toEqual(losses(straight));
  });

  it('is sampled by every sampler, with as many steps as the run has or as are asked for', async () => {
    const out = folder();
    const sheets = new Set<string>();
    for (const sampler of ['ancestral', 'ddim', 'heun', 'dpm-solver++']) {
      const file = join(out, `${sampler}.svg`);
      const { code } = await diffusion('sample', run, '--sampler', sampler, '--out', file, ...CPU);
      expect(code).toBe(0);
      expect(readFileSync(file, 'utf8')).not.toContain('NaN');
      sheets.add(hash(file));
    }
    expect(sheets.size).toBe(4);
    const gif = join(out, 'reverse.gif');
    const animated = ['--steps', '20', '--every', '5', '--gif', gif, '--out', join(out, 'a.svg')];
    const { code } = await diffusion('sample', run, ...animated, ...CPU);
    expect(code).toBe(0);
    // Of x_T, of three moments and of x_0; what noise beyond the frame hides is one picture.
    expect((await sharp(gif, { animated: true }).metadata()).pages).toBeGreaterThanOrEqual(4);
    expect(sheets).not.toContain(hash(join(out, 'a.svg')));
  });

  it('has no bound that is a sum over steps, and evaluate says so', async () => {
    const { code, stderr } = await diffusion('evaluate', run, ...CPU);
    expect([code, stderr]).toEqual([
      1,
      'error: The bound is a sum over the steps of a schedule, and the schedule of this run has none: its time is continuous.\n',
    ]);
    expect(existsSync(join(run, 'evaluation.json'))).toBe(false);
  });

  it('has a likelihood by the probability flow, which evaluate --ode tells', async () => {
    const ode = ['evaluate', run, '--ode', '--limit', '3', ...CPU];
    const { code, stdout } = await diffusion(...ode);
    expect(code).toBe(0);
    const [, mean, error] =
      /^-log₂ p\(x\) of 3 test examples by the probability flow, in bits per dimension: (-?[\d.]+) ± ([\d.]+)\n$/.exec(
        stdout,
      )!;
    const { odeBits, odeBitsStandardError, ...rest } = JSON.parse((await diffusion(...ode, '--json')).stdout);
    expect([odeBits.toFixed(4), odeBitsStandardError.toFixed(4)]).toEqual([mean, error]);
    expect(rest).toEqual({ step: 6, split: 'test', images: 3, density: 'p(x)' });
    expect(existsSync(join(run, 'evaluation.json'))).toBe(false);
  });

  it('is not begun where nobody says with how many steps to sample it', async () => {
    const refused = join(folder(), 'run');
    const { code, stderr } = await train(refused, ...process, '--steps', '6');
    expect([code, stderr]).toEqual([
      2,
      'error: sampling.steps is null: expected a number, since the schedule has no steps of its own.\n',
    ]);
    expect(existsSync(refused)).toBe(false);
    expect(checkpointSteps(refused)).toEqual([]);
  });
});

it('the deviation of the data that EDM asks for is measured where it is null, and written down', async () => {
  await useBackend('cpu');
  const run = join(folder(), 'run');
  const settings = sets('process.sigmaData=null', 'training.sampleEvery=0', 'sampling.steps=3');
  const options = [
    '--batch',
    '4',
    '--steps',
    '1',
    ...CPU,
    ...SMALL,
    ...PROCESSES.EDM,
    ...settings,
    '--out',
    run,
  ];
  expect((await inProcess(trainCommand, '--preset', 'moons', ...options)).error).toBeUndefined();
  const { data, process } = JSON.parse(readFileSync(join(run, 'config.json'), 'utf8'));
  const { x0 } = await pointsOf(data, 'train').batch(Array.from({ length: 64 }, (_, i) => i));
  const { mean, variance } = tf.moments(x0);
  expect(process.sigmaData).toBeCloseTo(Math.sqrt(variance.dataSync()[0]!), 2);
  expect(process.sigmaData).not.toBeCloseTo(0.5, 2);
  tf.dispose([x0, mean, variance]);
});
