import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkpointSteps } from '../src/run/checkpoints.js';
import { whileLocked } from '../src/run/lock.js';
import { diffusion, said, start, train } from './cli.js';
import { folder } from './folder.js';

/** The number of a process that has ended. */
function deadPid(): number {
  return spawnSync(process.execPath, ['--version']).pid;
}

describe('the folder of a run', () => {
  it('is refused to a second training while the first is at work, and free when that ends by Ctrl-C', async () => {
    const run = join(folder(), 'run');
    const lock = join(run, 'lock');
    const { child, end } = start(train(run, '--steps', '100000'));
    await said(child, 'train 1/');
    expect(readFileSync(lock, 'utf8')).toBe(`${child.pid}\n`);

    for (const more of [[], ['--resume']]) {
      const { code, stderr } = await diffusion(...train(run, '--steps', '100000', ...more));
      expect([code, stderr]).toEqual([
        1,
        `error: ${run} is being trained by another process (${child.pid}): wait until it ends, or choose another folder with --out (should that process be something else, delete ${lock}).\n`,
      ]);
    }
    child.kill('SIGINT');
    expect((await end).code).toBe(130);
    expect(existsSync(lock)).toBe(false);
  });

  it('is taken over from a training that was killed', async () => {
    const run = join(folder(), 'run');
    const { child, end } = start(train(run, '--steps', '100000', '--set', 'training.checkpointEvery=1'));
    await said(child, 'train 1/');
    child.kill('SIGKILL');
    await end;
    expect(existsSync(join(run, 'lock'))).toBe(true);
    const last = (checkpointSteps(run).at(-1) ?? 0) + 2;
    const resumed = await diffusion(...train(run, '--steps', String(last), '--resume'));
    expect([resumed.code, checkpointSteps(run).at(-1)]).toEqual([0, last]);
    expect(existsSync(join(run, 'lock'))).toBe(false);
  });

  it('is taken over where a kill came before the number of its process was written, and not while it may be', async () => {
    const run = folder();
    const file = join(run, 'lock');
    writeFileSync(file, '');
    await expect(whileLocked(run, async () => 1)).rejects.toThrow('is being trained by another process (0)');
    utimesSync(file, 1, 1);
    expect(await whileLocked(run, async () => readFileSync(file, 'utf8'))).toBe(`${process.pid}\n`);
    expect(existsSync(file)).toBe(false);
  });

  it('goes to one of three that find a dead lock in it at the same time', async () => {
    const run = join(folder(), 'run');
    mkdirSync(run);
    writeFileSync(join(run, 'lock'), `${deadPid()}\n`);
    const trainings = [1, 2, 3].map(() => start(train(run, '--steps', '100000')));
    let ended = 0;
    // The one that trains goes on until the others have given up.
    for (const { end } of trainings)
      void end.then(() => {
        ended += 1;
        if (ended === 2) for (const { child } of trainings) child.kill('SIGINT');
      });
    const results = await Promise.all(trainings.map(({ end }) => end));
    expect(results.map(({ code }) => code).toSorted((a, b) => a! - b!)).toEqual([1, 1, 130]);
    const refused = results.filter(({ code }) => code === 1);
    for (const { stderr } of refused) expect(stderr).toContain('is being trained by another process');
    expect(existsSync(join(run, 'lock'))).toBe(false);
  });
});
