import {
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { readSafetensors } from '@diffusion-ts/checkpoints';
import { describe, expect, it } from 'vitest';
import { trainCommand } from '../src/commands/train.js';
import { checkpointSteps } from '../src/run/checkpoints.js';
import { diffusionHere as diffusion, inProcess, losses, said, start, train, weightsOf } from './cli.js';
import { folder } from './folder.js';

describe('diffusion train', () => {
  it('leaves a run with its complete config, a checkpoint, metrics, events, pictures and a report', async () => {
    const run = join(folder(), 'run');
    const { code, stderr, stdout } = await diffusion(
      ...train(
        run,
        '--steps',
        '6',
        '--set',
        'training.sampleEvery=3',
        '--set',
        'loss.weighting.kind=min-snr',
      ),
    );
    expect(stderr).toContain('train 6/6 · loss ');
    expect([code, stdout]).toEqual([0, '']);
    const config = JSON.parse(readFileSync(join(run, 'config.json'), 'utf8'));
    expect(config.model).toEqual({
      _class_name: 'MLP',
      dimensions: 2,
      outputs: 2,
      hidden: 4,
      layers: 1,
      timeFeatures: 4,
      classes: null,
    });
    expect(config.training.epsilon).toBe(1e-8);
    expect(config.loss).toEqual({
      kind: 'simple',
      norm: 'l2',
      weighting: { kind: 'min-snr', gamma: 5 },
      uncertainty: false,
    });
    expect(readdirSync(join(run, 'checkpoints', '6')).sort()).toEqual([
      'ema.safetensors',
      'model.safetensors',
      'optimizer.safetensors',
      'state.json',
    ]);
    expect(losses(run).map(({ step }) => step)).toEqual([2, 4, 6]);
    expect(readdirSync(join(run, 'samples')).sort()).toEqual(['3.png', '6.png']);
    expect(readdirSync(run).some((name) => name.startsWith('events.out.tfevents.'))).toBe(true);
    const report = readFileSync(join(run, 'report.html'), 'utf8');
    expect(report).toContain('<svg');
    expect(report).not.toMatch(/(src|href)="(?!data:)/);
    expect(report).toContain('cosine, T = 8, predicts v');
  });

  it('that is interrupted by Ctrl-C saves, exits with 130, and resumed ends with the same bytes as one that was not', async () => {
    const straight = join(folder(), 'run');
    await diffusion(...train(straight, '--steps', '100'));

    const run = join(folder(), 'run');
    const { child, end } = start(train(run, '--steps', '100'));
    await said(child, 'train 1/');
    child.kill('SIGINT');
    const { code, stderr } = await end;
    expect(stderr).toContain('Stopping and saving');
    expect(code).toBe(130);
    const [step] = checkpointSteps(run);
    expect(step).toBeGreaterThan(0);
    expect(step).toBeLessThan(100);

    const resumed = await diffusion('train', '--backend', 'cpu', '--out', run, '--resume');
    expect(resumed.stderr).toContain(`Resuming at step ${step}`);
    expect(resumed.code).toBe(0);
    expect(weightsOf(run, 100)).toEqual(weightsOf(straight, 100));
    expect(losses(run)).toEqual(losses(straight));
  });

  it('goes back to an earlier checkpoint, and forgets what came after it', async () => {
    const run = join(folder(), 'run');
    await diffusion(...train(run, '--steps', '20', '--set', 'training.checkpointEvery=5'));
    const before = weightsOf(run, 20);
    expect(checkpointSteps(run)).toEqual([10, 15, 20]);
    await diffusion('train', '--backend', 'cpu', '--out', run, '--resume', '10', '--steps', '12');
    expect(checkpointSteps(run)).toEqual([10, 12]);
    expect(losses(run).at(-1)!.step).toBe(12);
    await diffusion('train', '--backend', 'cpu', '--out', run, '--resume', 'latest', '--steps', '20');
    // The rate decays towards the last step, so a run that once had another one is another run.
    expect(weightsOf(run, 20)).not.toEqual(before);
    expect(losses(run).map(({ step }) => step)).toEqual([2, 4, 6, 8, 10, 12, 14, 16, 18, 20]);
  });

  it('goes on training when nobody reads what it says any more', async () => {
    const run = join(folder(), 'run');
    const { child, end } = start(train(run, '--steps', '6'));
    child.stderr!.destroy();
    expect((await end).code).toBe(0);
    expect(checkpointSteps(run)).toEqual([6]);
  });

  it('refuses a folder that holds a run, and says what to do', async () => {
    const run = join(folder(), 'run');
    await diffusion(...train(run, '--steps', '2'));
    const { code, stderr } = await diffusion(...train(run, '--steps', '2'));
    expect(code).toBe(1);
    expect(stderr).toBe(
      `error: ${run} holds a run already (at step 2): continue it with --resume, or choose another folder with --out.\n`,
    );
  });

  it('begins anew in the folder of a run that never came to a checkpoint, and leaves a model alone', async () => {
    const run = join(folder(), 'run');
    const first = await inProcess(trainCommand, ...train(run, '--steps', '4', '--lr', '1e30').slice(1));
    expect([first.error, checkpointSteps(run)]).toEqual([expect.stringContaining('Step 0 was refused'), []]);
    const second = await inProcess(trainCommand, ...train(run, '--steps', '2', '--lr', '1e-3').slice(1));
    expect([second.error, checkpointSteps(run)]).toEqual([undefined, [2]]);

    const model = folder();
    writeFileSync(join(model, 'model.safetensors'), '');
    expect((await inProcess(trainCommand, ...train(model).slice(1))).error).toBe(
      `${model} holds a model already: choose another folder with --out.`,
    );
  });

  it('says in one sentence that a folder cannot be written, or that the disk is full', async () => {
    const file = join(folder(), 'file');
    writeFileSync(file, '');
    const { code, stderr } = await diffusion(...train(join(file, 'run'), '--steps', '2'));
    expect([code, stderr]).toEqual([
      1,
      `error: The run cannot be written to ${file}/run: ${file}/run: a part of the path is not a folder.\n`,
    ]);
  });

  it('keeps the last good checkpoint when the disk is full', async () => {
    const run = join(folder(), 'run');
    await diffusion(...train(run, '--steps', '4'));
    const before = weightsOf(run, 4);
    // Every write to /dev/full fails as on a disk without room.
    rmSync(join(run, 'metrics.jsonl.tmp'), { force: true });
    symlinkSync('/dev/full', join(run, 'metrics.jsonl.tmp'));
    const { code, stderr } = await diffusion(...train(run, '--steps', '8', '--resume'));
    expect([code, stderr.split('\n').at(-2)]).toEqual([
      1,
      `error: The run cannot be written to ${run}: the disk is full. The last good checkpoint is that of step 4.`,
    ]);
    expect(weightsOf(run, 4)).toEqual(before);
  });

  it('names the file of a checkpoint that is damaged', async () => {
    const run = join(folder(), 'run');
    await diffusion(...train(run, '--steps', '4', '--set', 'training.checkpointEvery=2'));
    const model = join(run, 'checkpoints', '4', 'model.safetensors');
    truncateSync(model, 100);
    const { code, stderr } = await diffusion(...train(run, '--steps', '8', '--resume'));
    expect(code).toBe(1);
    expect(stderr.split('\n').at(-2)).toMatch(new RegExp(`^error: ${model} is damaged: .*\\.$`));
    expect(checkpointSteps(run)).toEqual([2, 4]);
    const earlier = await diffusion(...train(run, '--steps', '8', '--resume', '2'));
    expect(earlier.code).toBe(0);
  });

  it('refuses a step that gives what is no number, says where, and keeps the last good checkpoint', async () => {
    const run = join(folder(), 'run');
    const { code, stderr } = await diffusion(
      ...train(run, '--steps', '50', '--lr', '1e12', '--set', 'training.checkpointEvery=1'),
    );
    expect(code).toBe(1);
    expect(stderr.split('\n').at(-2)).toMatch(
      /^error: Step \d+ was refused: .* holds (NaN|-?Infinity), .*\. The last good checkpoint is that of step \d+\. Try a lower learning rate \(--lr\)\.$/,
    );
    const step = checkpointSteps(run).at(-1)!;
    const resumed = await diffusion(...train(run, '--steps', String(step + 1), '--lr', '1e-6', '--resume'));
    expect(resumed.stderr).toContain(`Resuming at step ${step}`);
  });

  it('keeps no weights from which no step can be taken, and begins anew with a lower rate', async () => {
    const run = join(folder(), 'run');
    const { code, stderr } = await diffusion(...train(run, '--steps', '4', '--lr', '1e30'));
    expect([code, stderr.split('\n').at(-2)]).toEqual([
      1,
      expect.stringMatching(/^error: Step 0 was refused: .* There is no checkpoint yet\. Try a lower .*\.$/),
    ]);
    expect(checkpointSteps(run)).toEqual([]);
    const again = await diffusion(...train(run, '--steps', '4', '--lr', '1e-3', '--resume'));
    expect([again.code, checkpointSteps(run)]).toEqual([0, [4]]);
  });

  it('names the tensor of a checkpoint that holds a NaN, and goes on from an earlier one', async () => {
    const run = join(folder(), 'run');
    await diffusion(...train(run, '--steps', '4', '--set', 'training.checkpointEvery=2'));
    const file = join(run, 'checkpoints', '4', 'model.safetensors');
    const bytes = readFileSync(file);
    // The tensors are in the order of their names: the last four bytes are of this one.
    const last = Object.keys(readSafetensors(bytes).tensors).sort().at(-1)!;
    bytes.writeFloatLE(Number.NaN, bytes.length - 4);
    writeFileSync(file, bytes);
    const { code, stderr } = await diffusion(...train(run, '--steps', '8', '--resume'));
    expect([code, stderr.split('\n').at(-2)]).toEqual([
      1,
      `error: ${file} is damaged: tensor "${last}" holds NaN, expected finite numbers.`,
    ]);
    // Nor is it drawn from: black pictures would say nothing.
    writeFileSync(join(run, 'checkpoints', '4', 'ema.safetensors'), bytes);
    const picture = join(run, 'black.png');
    const sampled = await diffusion('sample', run, '--count', '2', '--out', picture, '--backend', 'cpu');
    expect([sampled.code, existsSync(picture)]).toEqual([1, false]);
    expect(sampled.stderr).toContain(`tensor "${last}" holds NaN`);
    const earlier = await diffusion(...train(run, '--steps', '8', '--resume', '2'));
    expect(earlier.code).toBe(0);
  });

  it.each([
    ['sampling.steps=9', 'sampling.steps is 9: expected at most the 8 steps of the schedule.'],
    [
      'process.predicts=noise',
      /^error: The config: process\.predicts is "noise": expected one of epsilon, .*\.\n$/,
    ],
    [
      'model.hiden=3',
      /^error: model\.hiden is no setting: expected hidden, perhaps, or one of dimensions, .*\.\n$/,
    ],
    [
      'process.schedule.kind=constant-fraction',
      /^error: process: .*: predict v, x0 or flow on this schedule\.\n$/,
      'process.predicts=epsilon',
    ],
  ])(
    'is refused with %s before anything is made, with exit code 2',
    async (...[setting, sentence, other]) => {
      const run = join(folder(), 'run');
      const sets = [setting, other ?? 'training.keep=3'].flatMap((set) => ['--set', set]);
      const { code, stderr } = await diffusion(...train(run, '--steps', '4', ...sets));
      if (typeof sentence === 'string') expect(stderr).toBe(`error: ${sentence}\n`);
      else expect(stderr).toMatch(sentence);
      expect([code, existsSync(run)]).toEqual([2, false]);
    },
  );
});
