import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readSafetensors } from '@diffusion-ts/checkpoints';
import { useBackend } from '@diffusion-ts/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Evaluation } from '../src/run/evaluation.js';
import { readConfig } from '../src/run/folder.js';
import { openModel } from '../src/runs/open-model.js';
import { diffusionHere as diffusion, losses } from './cli.js';
import { folder } from './folder.js';

// A run that the first edition trained to step 40, and what it made of it: the same run at step 60, and samples and the
// bound at step 40.
const OLD = fileURLToPath(new URL('fixtures/old-run', import.meta.url));
const EXPECTED = fileURLToPath(new URL('fixtures/expected', import.meta.url));
const CHECKPOINT = fileURLToPath(new URL('../../web/public/checkpoint', import.meta.url));
const CPU = ['--backend', 'cpu'];

let run: string;

/** What the first edition made of the run. */
function expected<T = number[]>(file: string): T {
  return JSON.parse(readFileSync(join(EXPECTED, file), 'utf8')) as T;
}

/** The numbers of a file of tensors, in the order of the names. */
function numbersIn(run: string, file: string): number[] {
  const { tensors } = readSafetensors(readFileSync(join(run, 'checkpoints', '60', file)));
  return Object.keys(tensors)
    .sort()
    .flatMap((name) => [...tensors[name]!.data].map(Number));
}

function furthest(found: readonly number[], before: readonly number[]): number {
  expect(found.length).toBe(before.length);
  return Math.max(...found.map((value, i) => Math.abs(value - before[i]!)));
}

describe('a run of the first edition', () => {
  beforeAll(async () => {
    await useBackend('cpu');
    run = join(folder(), 'run');
    cpSync(OLD, run, { recursive: true });
  });

  it('is inspected', async () => {
    const { code, stdout } = await diffusion('inspect', run);
    expect(code).toBe(0);
    expect(stdout).toContain('MLP for moons, 2, 2 classes: 206 parameters');
    expect(stdout).toContain('cosine schedule of 12 steps, predicts v, variance fixedSmall');
    expect(stdout).toContain('beta 0.01997 … 0.9990, alpha bar at the end 1.677e-5');
    expect(stdout).toContain('checkpoints at step 40');
    expect(stdout).toContain('0.5110 at step 40');
  });

  it('draws the samples that it drew', async () => {
    const file = join(folder(), 'samples.svg');
    expect((await diffusion('sample', run, '--out', file, ...CPU)).code).toBe(0);
    const svg = readFileSync(file, 'utf8');
    const places = [...svg.matchAll(/ c[xy]="([^"]+)"/g)].map(([, place]) => Number(place));
    // Of 400 pixels.
    expect(furthest(places, expected('samples.json'))).toBeLessThan(1e-3);
  });

  it('has the bound that it had: L_T and L_0 to the digit, the sum within its error, since other times are drawn now', async () => {
    const of = ['--limit', '64', '--timesteps', '5', '--json', ...CPU];
    const found: Evaluation = JSON.parse((await diffusion('evaluate', run, ...of)).stdout);
    const before = expected<Evaluation>('evaluation.json');
    for (const part of ['prior', 'reconstruction'] as const) {
      expect(found[part]).toBeCloseTo(before[part], 6);
    }
    const error = Math.hypot(found.standardError, before.standardError);
    expect(Math.abs(found.bitsPerDim - before.bitsPerDim)).toBeLessThan(2 * error);
    expect(found.terms[0]!.bitsPerDim).toBeCloseTo(before.terms[0]!.bitsPerDim, 5);
  });

  it('goes on training as it would have gone on: losses, gradients, weights and their average', async () => {
    const { code, stderr } = await diffusion('train', '--out', run, '--resume', '--steps', '60', ...CPU);
    expect(stderr).toContain('Resuming at step 40');
    expect(code).toBe(0);
    const [found, before] = [losses(run), losses(EXPECTED)];
    expect(found.map(({ step }) => step)).toEqual(before.map(({ step }) => step));
    found.forEach(({ loss, gradientNorm, rate }, i) => {
      expect(Math.abs(loss / before[i]!.loss - 1)).toBeLessThan(1e-5);
      expect(Math.abs(gradientNorm / before[i]!.gradientNorm - 1)).toBeLessThan(1e-5);
      expect(rate).toBe(before[i]!.rate);
    });
    for (const file of ['model.safetensors', 'optimizer.safetensors', 'ema.safetensors']) {
      // The average is formed in another way since, with the error of a rounding less at every step.
      expect(furthest(numbersIn(run, file), numbersIn(EXPECTED, file)), file).toBeLessThan(1e-6);
    }
    expect(readConfig(run).sampling.times).toBe(null);
  });
});

describe("the lab's checkpoint", () => {
  it('opens: its weights fit the network of its config', async () => {
    await useBackend('cpu');
    const { built, params, config } = await openModel(CHECKPOINT);
    expect(built.network).toMatchObject({ shape: [28, 28, 1], classes: 10 });
    expect(config.process.predicts).toBe('v');
    expect(Object.keys(params).sort()).toEqual(Object.keys(built.network.shapes).sort());
    for (const param of Object.values(params)) param.dispose();
  });
});
