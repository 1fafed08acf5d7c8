import { type ChildProcess, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Refusal } from '../src/errors.js';
import { launched } from '../src/launched.js';
import { checkpointSteps } from '../src/run/checkpoints.js';
import { workersToShare, workersToTrain } from '../src/workers.js';
import { apart, diffusionHere, said, startTwo, train } from './cli.js';
import { folder } from './folder.js';
import { photographs, TINY_IMAGES } from './tiny-images.js';

describe('launched', () => {
  it('tells which process of how many this is, as Open MPI, MPICH and Slurm say it', () => {
    expect(launched({ OMPI_COMM_WORLD_RANK: '1', OMPI_COMM_WORLD_SIZE: '4' })).toEqual({ rank: 1, size: 4 });
    expect(launched({ PMI_RANK: '2', PMI_SIZE: '3' })).toEqual({ rank: 2, size: 3 });
    expect(launched({ PMIX_RANK: '0', SLURM_NTASKS: '8' })).toEqual({ rank: 0, size: 8 });
  });

  it('is a process alone without them, with one process, and within a job of Slurm that has started it alone', () => {
    const alone = { rank: 0, size: 1 };
    expect(launched({})).toEqual(alone);
    expect(launched({ OMPI_COMM_WORLD_RANK: '0', OMPI_COMM_WORLD_SIZE: '1' })).toEqual(alone);
    expect(launched({ SLURM_NTASKS: '8', SLURM_PROCID: '3' })).toEqual(alone);
  });
});

const UNEVEN =
  'training.batch is 5: expected a multiple of 2, since as many processes were started to share it.';

describe('workers', () => {
  beforeEach(() => {
    vi.stubEnv('OMPI_COMM_WORLD_RANK', '0');
    vi.stubEnv('OMPI_COMM_WORLD_SIZE', '2');
    return () => vi.unstubAllEnvs();
  });

  it('are the processes that were started together, whatever there is to share', () => {
    expect([workersToTrain('auto', 'cpu', 4, false), workersToShare('auto', 'cpu', 1)]).toEqual([2, 2]);
  });

  it('are not asked for as well, and share a batch evenly', () => {
    const both = '--workers does not go with mpirun or srun, which has started 2 processes: leave it out.';
    expect(() => workersToTrain(2, 'cpu', 4)).toThrow(new Refusal(both, { exitCode: 2 }));
    expect(() => workersToShare(2, 'cpu', 4)).toThrow(new Refusal(both, { exitCode: 2 }));
    expect(() => workersToTrain('auto', 'cpu', 5)).toThrow(new Refusal(UNEVEN, { exitCode: 2 }));
  });
});

const ENDLESS = ['--steps', '1000000', '--set', 'training.decay=constant'];

describe.skipIf(spawnSync('mpirun.openmpi', ['--version']).status !== 0)('under mpirun', () => {
  it('two processes learn what one learns, of which one speaks and writes', async () => {
    const ten = ['--steps', '10', '--set', 'training.sampleEvery=5'];
    const [one, two] = [join(folder(), 'run'), join(folder(), 'run')];
    await diffusionHere(...train(one, ...ten));
    const { code, stderr, stdout } = await startTwo(train(two, ...ten)).end;
    expect([code, stdout]).toEqual([0, '']);
    expect(stderr.match(/^Training in .* on cpu, 2 workers;/gm)).toHaveLength(1);
    expect(apart(one, two, 10)).toBeLessThan(1e-5);
  });

  it('a refusal is said once, and all end', async () => {
    const run = join(folder(), 'run');
    const { code, stderr } = await startTwo(train(run, '--batch', '5')).end;
    expect([code, stderr.match(/^error: .*$/gm), existsSync(run)]).toEqual([2, [`error: ${UNEVEN}`], false]);
  });

  it('other data on another machine are refused by their place, before the first step', async () => {
    const [here, there] = [await photographs('cat', 'dog'), await photographs('cat')];
    const run = join(folder(), 'run');
    const config = join(folder(), 'config.json');
    writeFileSync(config, JSON.stringify({ ...TINY_IMAGES, data: { ...TINY_IMAGES.data, labels: false } }));
    // A place that is another folder for each of them.
    const args = ['train', '--config', config, '--data', '/proc/self/cwd', '--out', run, '--backend', 'cpu'];
    const { code, stderr } = await startTwo(args, [here, there]).end;
    expect([code, stderr.match(/^error: .*$/gm), checkpointSteps(run)]).toEqual([
      1,
      [
        `error: Rank 1 failed: The data on ${hostname()} are not those of the first process: expected the same at the same place. The last good checkpoint is that of step 0. Go on with --resume.`,
      ],
      [0],
    ]);
  });

  it('what needs one process alone lets the others go', async () => {
    const { code, stdout } = await startTwo(['convert', '--help']).end;
    expect([code, stdout.match(/^Usage: /gm)]).toEqual([0, ['Usage: ']]);
  });

  it('SIGTERM to the first process stops all after the same step, which it saves', async () => {
    const run = join(folder(), 'run');
    const { child, end } = startTwo(train(run, ...ENDLESS));
    await said(child, 'train 1/');
    process.kill(Number(readFileSync(join(run, 'lock'), 'utf8')), 'SIGTERM');
    const { code, stderr } = await end;
    const [step, ...others] = checkpointSteps(run);
    expect([code, others]).toEqual([143, []]);
    expect(stderr).toContain(`Saved step ${step}.`);
  });

  it('a process that is no longer heard of ends the run at a step that is saved', async () => {
    const run = join(folder(), 'run');
    const { child, end } = startTwo(train(run, ...ENDLESS, '--patience', '5'));
    await said(child, 'train 1/');
    const ours = childrenOf(child.pid!);
    process.kill(ours[1]!, 'SIGSTOP');
    const { code, stderr } = await end;
    const [step] = checkpointSteps(run);
    expect(code).not.toBe(0);
    expect(step).toBeGreaterThan(0);
    expect(stderr).toContain(
      `error: The other ranks have not answered for 5 s: one of them hangs, or its machine is cut off. The last good checkpoint is that of step ${step}. Go on with --resume.`,
    );
    await vi.waitFor(() => expect(ours.filter(isAlive)).toEqual([]), { timeout: 60_000 });
  });

  it.each([
    ['the first process', ([first]: number[], _: ChildProcess) => first!],
    ['another process', ([, second]: number[], _: ChildProcess) => second!],
    ['mpirun', (_: number[], { pid }: ChildProcess) => pid!],
  ])('a kill of %s leaves none of them', async (_, which) => {
    const run = join(folder(), 'run');
    const { child, end } = startTwo(train(run, ...ENDLESS));
    await said(child, 'train 1/');
    const ours = childrenOf(child.pid!);
    expect(ours).toHaveLength(2);
    process.kill(which(ours, child), 'SIGKILL');
    expect((await end).code).not.toBe(0);
    await vi.waitFor(() => expect(ours.filter(isAlive)).toEqual([]), { timeout: 60_000 });
  });
});

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
