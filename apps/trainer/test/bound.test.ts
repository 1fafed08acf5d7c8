import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { variationalBound } from '@diffusion-ts/losses';
import { reverseProcess } from '@diffusion-ts/reverse-process';
import { cosine, linear } from '@diffusion-ts/schedules';
import { lookup, rng } from '@diffusion-ts/tensor';
import { useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { type BoundEstimate, estimateBound } from '../src/bound/estimate.js';
import { inclusion, systematic } from '../src/bound/timesteps.js';

const sum = (values: Iterable<number>): number => [...values].reduce((a, b) => a + b, 0);

describe('the timesteps at which the bound is evaluated', () => {
  it('have probabilities that are positive, at most 1, certain at index 0, and sum to the number asked for', () => {
    for (const schedule of [linear({ steps: 1000 }), cosine({ steps: 1000 }), cosine({ steps: 50 })]) {
      for (const count of [2, 16, 40]) {
        const probabilities = inclusion(schedule, count);
        expect(sum(probabilities)).toBeCloseTo(count, 9);
        expect(probabilities[0]).toBe(1);
        expect(Math.min(...probabilities)).toBeGreaterThan(0);
        expect(Math.max(...probabilities)).toBe(1);
      }
    }
    expect(sum(inclusion(cosine({ steps: 50 }), 50))).toBe(50);
  });

  it('are chosen as often as their probability says, and always as many', () => {
    const probabilities = inclusion(linear({ steps: 100 }), 10);
    const grid = 20_000;
    const chosen = new Float64Array(100);
    for (let i = 0; i < grid; i++) {
      const timesteps = systematic(probabilities, (i + 0.5) / grid);
      expect(timesteps.length).toBe(10);
      for (const t of timesteps) chosen[t]! += 1 / grid;
    }
    chosen.forEach((frequency, t) => {
      expect(Math.abs(frequency - probabilities[t]!)).toBeLessThan(2 / grid);
    });
  });
});

describe('the estimate of the bound', () => {
  beforeAll(() => useBackend('cpu'));

  // Data N(0, 1) with the variance β: the reverse process is the exact one, but for the variance of its last step.
  const schedule = linear({ steps: 60 });
  const exact = reverseProcess({
    forward: gaussianDiffusion(schedule),
    denoiser: (xt, t) =>
      tf.mul(
        lookup(
          schedule.alphaBars.map((a) => Math.sqrt(1 - a)),
          t,
          xt.rank,
        ),
        xt,
      ),
    predicts: 'epsilon',
    variance: 'fixedLarge',
  });

  async function estimate(timesteps: number): Promise<BoundEstimate> {
    async function* batches() {
      for (const first of [0, 200]) {
        const x0 = rng(1).rows(first).normal([200, 8]);
        yield { x0 };
        x0.dispose();
      }
    }
    return estimateBound(exact, batches(), {
      term: variationalBound({ decoder: 'gaussian' }),
      timesteps,
      rng: rng(2),
    });
  }

  it('from a fifth of the terms agrees with the full sum within its standard error', async () => {
    const full = await estimate(60);
    const some = await estimate(12);
    expect(full.terms.length).toBe(60);
    expect(full.images).toBe(400);
    expect(full.prior + full.transitions + full.reconstruction).toBeCloseTo(full.bitsPerDim, 9);
    expect(sum(full.terms.map(({ bitsPerDim }) => bitsPerDim)) + full.prior).toBeCloseTo(full.bitsPerDim, 6);
    const error = Math.hypot(full.standardError, some.standardError);
    expect(Math.abs(some.bitsPerDim - full.bitsPerDim)).toBeLessThan(3 * error);
    expect(some.standardError).toBeLessThan(3 * full.standardError);
  });

  it('for the exact reverse process is the entropy of the data and what the wrong variance of the last step costs', async () => {
    const { bitsPerDim, standardError } = await estimate(60);
    const entropy = 0.5 * Math.log2(2 * Math.PI * Math.E);
    const ratio = schedule.betas[0]! / schedule.posteriorVariance[1]!;
    const cost = (0.5 * (ratio - 1 - Math.log(ratio))) / Math.LN2;
    expect(Math.abs(bitsPerDim - entropy - cost)).toBeLessThan(3 * standardError);
    expect(standardError).toBeLessThan(0.04);
  });

  it('leaves no tensor behind', async () => {
    const before = tf.memory().numTensors;
    await estimate(5);
    expect(tf.memory().numTensors).toBe(before);
  });
});
