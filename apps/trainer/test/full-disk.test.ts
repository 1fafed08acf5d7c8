import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { useBackend } from '@diffusion-ts/testing';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { convertCommand } from '../src/commands/convert.js';
import { evaluateCommand } from '../src/commands/evaluate.js';
import { sampleCommand } from '../src/commands/sample.js';
import { trainCommand } from '../src/commands/train.js';
import { readEvaluation } from '../src/run/evaluation.js';
import { openModel } from '../src/runs/open-model.js';
import { inProcess, losses, type Outcome, train, weightsOf } from './cli.js';
import { folder } from './folder.js';
import { photographs, TINY_IMAGES } from './tiny-images.js';

/** How many writes there is room for; the one after them writes half of what it should, and all others fail too. */
const disk = vi.hoisted(() => ({ room: Number.POSITIVE_INFINITY, wasFull: false }));

// biome-ignore lint/suspicious/noExplicitAny: functions of the file system, whatever they take
type Call = (...args: any[]) => unknown;

const failing = vi.hoisted(() => {
  const full = (): Error => {
    disk.wasFull = true;
    return Object.assign(new Error('full'), { code: 'ENOSPC', syscall: 'write' });
  };
  const half = (contents: string | Uint8Array) => contents.slice(0, contents.length >> 1);
  return (fs: Record<string, Call>, writers: string[], others: string[]): Record<string, Call> => {
    const replaced: Record<string, Call> = {};
    for (const name of writers) {
      replaced[name] = (file, contents, ...rest) => {
        if (disk.room-- > 0) return fs[name]!(file, contents, ...rest);
        if (disk.room === -1) fs[name]!(file, half(contents), ...rest);
        throw full();
      };
    }
    for (const name of others) {
      replaced[name] = (...args) => {
        const isWrite = name !== 'openSync' || args[1] !== 'r';
        if (isWrite && disk.room-- <= 0) throw full();
        return fs[name]!(...args);
      };
    }
    return { ...fs, ...replaced };
  };
});
vi.mock('node:fs', async (original) =>
  failing(
    await original(),
    ['writeFileSync', 'appendFileSync'],
    ['openSync', 'fsyncSync', 'renameSync', 'mkdirSync'],
  ),
);
vi.mock('node:fs/promises', async (original) => {
  const { writeFile, mkdir, rename, ...rest } = failing(await original(), ['writeFile'], ['mkdir', 'rename']);
  // These reject where the others throw.
  const later =
    (call: Call): Call =>
    async (...args) =>
      call(...args);
  return { ...rest, writeFile: later(writeFile!), mkdir: later(mkdir!), rename: later(rename!) };
});

// What a training draws at its end has a test of its own, and takes ten times as long as the training.
vi.mock('../src/runs/finish-run.js', async (original) => {
  const { finishRun } = await original<typeof import('../src/runs/finish-run.js')>();
  return { finishRun: vi.fn(finishRun) };
});
const { finishRun } = await import('../src/runs/finish-run.js');

const CPU = ['--backend', 'cpu'];
const signal = new AbortController().signal;

let points: string;
let images: string;

beforeAll(async () => {
  await useBackend('cpu');
  const data = await photographs('cat', 'dog');
  const config = join(folder(), 'config.json');
  writeFileSync(config, JSON.stringify({ ...TINY_IMAGES, data: { ...TINY_IMAGES.data, path: data } }));
  images = join(folder(), 'run');
  await inProcess(trainCommand, ...CPU, '--config', config, '--out', images);
  points = join(folder(), 'run');
  vi.mocked(finishRun).mockResolvedValue('');
  expect((await training(points)).error).toBeUndefined();
});

function training(run: string, ...more: string[]): Promise<Outcome> {
  const often = ['training.checkpointEvery=1', 'training.keep=1'].flatMap((set) => ['--set', set]);
  return inProcess(trainCommand, ...train(run, '--steps', '2', ...often, ...more).slice(1));
}

/** Does the work with room for no write, for one, and so on until there is enough; `check` sees every failure. */
async function fillingUp(
  work: (folder: string) => Promise<Outcome>,
  check: (folder: string, outcome: Outcome) => Promise<void>,
): Promise<number> {
  for (let n = 0; ; n++) {
    const path = folder();
    Object.assign(disk, { room: n, wasFull: false });
    const outcome = await work(path);
    disk.room = Number.POSITIVE_INFINITY;
    if (!disk.wasFull) return n;
    await check(path, outcome);
  }
}

const copyOf = (run: string, path: string): string => {
  const copy = join(path, 'run');
  cpSync(run, copy, { recursive: true });
  return copy;
};

describe('a disk that is full from any write on', () => {
  it('costs a training what came since its last checkpoint and no more, is named, and leaves no lock', async () => {
    const writes = await fillingUp(
      (path) => training(join(path, 'run')),
      async (path, { error }) => {
        const run = join(path, 'run');
        expect(error).toContain('the disk is full');
        expect(existsSync(join(run, 'lock'))).toBe(false);
        const begun = existsSync(join(run, 'config.json'));
        expect((await training(run, ...(begun ? ['--resume'] : []))).error).toBeUndefined();
        expect(weightsOf(run, 2)).toEqual(weightsOf(points, 2));
        expect(losses(run)).toEqual(losses(points));
        expect(readdirSync(join(run, 'checkpoints'))).toEqual(['2']);
      },
    );
    expect(writes).toBeGreaterThan(30);
  });

  it('leaves the run as it was where pictures and an evaluation of it are written', async () => {
    const weights = weightsOf(images, 2);
    const sound = async (run: string) => {
      expect(weightsOf(run, 2)).toEqual(weights);
      const { step } = await openModel(run);
      expect(step).toBe(2);
      expect(readFileSync(join(run, 'report.html'), 'utf8')).toMatch(/<\/html>\n$/);
    };
    vi.mocked(finishRun).mockRestore();
    const pictures = await fillingUp(
      async (path) => {
        const run = copyOf(images, path);
        const silent = vi.spyOn(console, 'error').mockImplementation(() => {});
        const error = await finishRun(run, signal).then(() => undefined, String);
        silent.mockRestore();
        return { said: '', printed: '', error };
      },
      (path) => sound(join(path, 'run')),
    );
    expect(pictures).toBeGreaterThan(9);
    const evaluation = await fillingUp(
      (path) => inProcess(evaluateCommand, copyOf(images, path), ...CPU, '--timesteps', '2', '--json'),
      async (path, { printed, said, error }) => {
        expect([JSON.parse(printed).images, error]).toEqual([8, undefined]);
        expect(said).toContain('This is not kept in the run: the disk is full.');
        await sound(join(path, 'run'));
        expect(readEvaluation(join(path, 'run'))?.images ?? 8).toBe(8);
      },
    );
    expect(evaluation).toBeGreaterThan(5);
  });

  it('leaves nothing that may be taken for a model where one is converted, in either direction', async () => {
    const there = await fillingUp(
      (path) => inProcess(convertCommand, images, join(path, 'diffusers')),
      async (path, { error }) => {
        expect(error).toContain('the disk is full');
        expect(existsSync(join(path, 'diffusers'))).toBe(false);
      },
    );
    const diffusers = join(folder(), 'diffusers');
    await inProcess(convertCommand, images, diffusers);
    const back = await fillingUp(
      (path) => inProcess(convertCommand, diffusers, join(path, 'run')),
      async (path, { error }) => {
        expect(error).toContain('the disk is full');
        expect(existsSync(join(path, 'run'))).toBe(false);
      },
    );
    expect(Math.min(there, back)).toBeGreaterThan(5);
  });

  it('is named where samples are written', async () => {
    const samples = await fillingUp(
      (path) =>
        inProcess(sampleCommand, images, ...CPU, '--out', join(path, 'a.png'), '--gif', join(path, 'a.gif')),
      async (_, { error }) => expect(error).toMatch(/ cannot be written: the disk is full\.$/),
    );
    expect(samples).toBe(2);
  });
});
