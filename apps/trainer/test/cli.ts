import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { readSafetensors } from '@diffusion-ts/checkpoints';
import type { Command } from 'commander';
import { expect, vi } from 'vitest';
import { sentence } from '../src/errors.js';
import { run } from '../src/program.js';
import { type Metrics, readMetrics } from '../src/run/metrics.js';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

export interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Started {
  readonly child: ChildProcess;
  readonly end: Promise<Result>;
}

/** Starts the built command line; `end` is what became of it. */
export function start(args: readonly string[], cwd = tmpdir()): Started {
  return watched(spawn(process.execPath, [MAIN, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] }));
}

/** Starts it as two processes of Open MPI, in these folders. */
export function startTwo(args: readonly string[], folders = [tmpdir(), tmpdir()]): Started {
  // Debian's refuses root, and more processes than cores, unless it is told not to.
  const leave = ['--allow-run-as-root', '--oversubscribe'];
  const [first, second] = folders.map((path) => ['-np', '1', '-wdir', path, process.execPath, MAIN, ...args]);
  return watched(
    spawn('mpirun.openmpi', [...leave, ...first!, ':', ...second!], { stdio: ['ignore', 'pipe', 'pipe'] }),
  );
}

function watched(child: ChildProcessByStdio<null, Readable, Readable>): Started {
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data) => {
    stdout += data;
  });
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  const end = new Promise<Result>((resolve) => {
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
  return { child, end };
}

/** Resolves once the command has written `text` to stderr, in however many pieces. */
export function said(child: ChildProcess, text: string): Promise<void> {
  let written = '';
  return new Promise((resolve) => {
    child.stderr!.on('data', (data) => {
      written += data;
      if (written.includes(text)) resolve();
    });
  });
}

/** Runs the built command line to its end. */
export function diffusion(...args: string[]): Promise<Result> {
  return start(args).end;
}

let before: Promise<unknown> = Promise.resolve();

/** Runs the command line in this process, which spares the start of another; one at a time. */
export function diffusionHere(...args: string[]): Promise<Result> {
  const result = before.then(() => captured(args));
  before = result.catch(() => {});
  return result;
}

async function captured(args: readonly string[]): Promise<Result> {
  let [stdout, stderr] = ['', ''];
  const out = (text: unknown): true => {
    stdout += text;
    return true;
  };
  const err = (text: unknown): true => {
    stderr += text;
    return true;
  };
  const spies = [
    vi.spyOn(console, 'log').mockImplementation((text) => void out(`${text}\n`)),
    vi.spyOn(console, 'error').mockImplementation((text) => void err(`${text}\n`)),
    vi.spyOn(process.stdout, 'write').mockImplementation(out),
    vi.spyOn(process.stderr, 'write').mockImplementation(err),
  ];
  try {
    process.exitCode = 0;
    await run(args);
    return { code: Number(process.exitCode), stdout, stderr };
  } finally {
    for (const spy of spies) spy.mockRestore();
    process.exitCode = undefined;
  }
}

/** What a command that ran in this process said, printed, and was refused with. */
export interface Outcome {
  readonly said: string;
  readonly printed: string;
  readonly error: string | undefined;
}

/** Runs a command in this process, which spares the start of another. */
export async function inProcess(command: Command, ...args: string[]): Promise<Outcome> {
  let [said, printed] = ['', ''];
  let error: string | undefined;
  const spies = [
    vi.spyOn(console, 'error').mockImplementation((text) => {
      said += `${text}\n`;
    }),
    vi.spyOn(console, 'log').mockImplementation((text) => {
      printed += `${text}\n`;
    }),
    vi.spyOn(process.stderr, 'write').mockReturnValue(true),
  ];
  try {
    await command.parseAsync(args, { from: 'user' });
  } catch (thrown) {
    error = sentence(thrown);
  } finally {
    for (const spy of spies) spy.mockRestore();
    process.exitCode = undefined;
  }
  return { said, printed, error };
}

/** Settings with which training takes milliseconds a step. */
export const TINY: readonly string[] = [
  ...['--preset', 'moons', '--backend', 'cpu', '--batch', '4'],
  ...['data.size=64', 'model.hidden=4', 'model.layers=1', 'model.timeFeatures=4'].flatMap((set) => [
    '--set',
    set,
  ]),
  ...['process.schedule.steps=8', 'training.sampleEvery=0', 'training.logEvery=2'].flatMap((set) => [
    '--set',
    set,
  ]),
  ...['training.warmUp=0', 'training.timesteps=importance', 'sampling.count=8'].flatMap((set) => [
    '--set',
    set,
  ]),
];

/** The arguments that train with them. */
export function train(out: string, ...more: string[]): string[] {
  return ['train', ...TINY, '--out', out, ...more];
}

export function hash(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

/** What the tensors of a checkpoint hash to, file by file. */
export function weightsOf(run: string, step: number): string[] {
  return ['model', 'ema', 'optimizer'].map((name) =>
    hash(join(run, 'checkpoints', String(step), `${name}.safetensors`)),
  );
}

/** The largest difference of what two runs stand at after so many steps: weights, their average, what the optimizer remembers. */
export function apart(run: string, other: string, step: number): number {
  const differences = ['model', 'ema', 'optimizer'].map((name) => {
    const [a, b] = [run, other].map(
      (folder) =>
        readSafetensors(readFileSync(join(folder, 'checkpoints', String(step), `${name}.safetensors`)))
          .tensors,
    );
    expect(Object.keys(a!)).toEqual(Object.keys(b!));
    return Math.max(
      ...Object.keys(a!).flatMap((key) => {
        const values = b![key]!.data as Float32Array;
        return Array.from(a![key]!.data as Float32Array, (x, i) => Math.abs(x - values[i]!));
      }),
    );
  });
  return Math.max(...differences);
}

/** Metrics without what depends on the clock. */
export function losses(run: string): Omit<Metrics, 'imagesPerSecond' | 'seconds'>[] {
  return readMetrics(join(run, 'metrics.jsonl')).map(({ imagesPerSecond: _, seconds: __, ...rest }) => rest);
}
