import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { PRESETS } from '@diffusion-ts/recipes';
import { useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { checkpointSteps } from '../src/run/checkpoints.js';
import { readEvaluation } from '../src/run/evaluation.js';
import { quickstart } from '../src/runs/quickstart-run.js';
import { folder } from './folder.js';

const preset = {
  ...PRESETS.moons,
  data: { kind: 'moons', size: 40 },
  model: { _class_name: 'MLP', hidden: 4, layers: 1 },
  process: { schedule: { kind: 'cosine', steps: 6 } },
  training: { steps: 8, batch: 4, sampleEvery: 0 },
} as const;

let printed: string[];
let said: string[];
beforeAll(() => useBackend('cpu'));
beforeEach(() => {
  printed = [];
  said = [];
  vi.spyOn(console, 'log').mockImplementation((line) => void printed.push(line));
  vi.spyOn(console, 'error').mockImplementation((line) => void said.push(line));
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
});
afterEach(() => void vi.restoreAllMocks());

const run = (path: string, more: object = {}) =>
  quickstart({
    run: path,
    preset,
    backend: 'cpu',
    workers: 1,
    seconds: 60,
    samples: 9,
    testImages: 10,
    timesteps: 3,
    signal: new AbortController().signal,
    ...more,
  });

describe('the quickstart', () => {
  it('ends by printing bits per dimension and the paths of three files, and leaves no tensor behind', async () => {
    const path = join(folder(), 'quickstart');
    const before = tf.memory().numTensors;
    await run(path);
    expect(tf.memory().numTensors).toBe(before);
    expect(printed[0]).toMatch(
      /^-?\d+\.\d{3} ± \d+\.\d{3} bits per dimension on 10 test images \(an upper bound\)$/,
    );
    expect(printed.slice(1)).toEqual(
      ['samples.png', 'reverse.gif', 'report.html'].map((name) => join(path, name)),
    );
    for (const file of printed.slice(1)) expect(existsSync(file)).toBe(true);
  });

  it('by two workers ends as by one', async () => {
    const [one, two] = [join(folder(), 'quickstart'), join(folder(), 'quickstart')];
    await run(one);
    await run(two, { workers: 2 });
    expect(said).toContainEqual(expect.stringMatching(/^Training by 2 workers for at most /));
    const { bitsPerDim } = readEvaluation(one)!;
    expect(Math.abs(readEvaluation(two)!.bitsPerDim - bitsPerDim)).toBeLessThan(1e-4);
    expect(printed.slice(5)).toEqual(
      ['samples.png', 'reverse.gif', 'report.html'].map((name) => join(two, name)),
    );
  });

  it('replaces an earlier one that came to its end', async () => {
    const path = join(folder(), 'quickstart');
    await run(path);
    await run(path);
    expect(said).toContain(`Replacing the earlier quickstart in ${path}.`);
    expect(readdirSync(path).filter((name) => name.startsWith('events')).length).toBe(1);
  });

  it('goes on with an earlier one that was interrupted', async () => {
    const path = join(folder(), 'quickstart');
    const stop = new AbortController();
    vi.mocked(process.stderr.write).mockImplementation(() => {
      stop.abort();
      return true;
    });
    await expect(run(path, { signal: stop.signal })).rejects.toThrow('abort');
    const [step] = checkpointSteps(path);
    expect(step).toBe(1);
    expect(printed).toEqual([]);
    await run(path);
    expect(said).toContain('Going on at step 1 with the quickstart that was interrupted.');
    expect(checkpointSteps(path)).toEqual([1, 8]);
  });

  it('stops training when its time is up, and shows what there is', async () => {
    const path = join(folder(), 'quickstart');
    await run(path, {
      seconds: 0.05,
      preset: { ...preset, training: { ...preset.training, steps: 100_000 } },
    });
    expect(said.at(-1)).toMatch(/^Time is up after \d+ of 100000 steps: the samples will be rougher\.$/);
    expect(printed.length).toBe(4);
  });
});
