import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { fixedSmall, reverseProcess, x0Prediction } from '@diffusion-ts/reverse-process';
import { ancestral, ddim } from '@diffusion-ts/samplers';
import { cosine, trailing, varianceExploding } from '@diffusion-ts/schedules';
import { rng } from '@diffusion-ts/tensor';
import { useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { draw } from '../src/runs/draw.js';

// A network that predicts the label of each example as its x_0.
const reverse = reverseProcess({
  forward: gaussianDiffusion(cosine({ steps: 8 })),
  denoiser: (xt, _t, condition) =>
    tf.add(tf.zerosLike(xt), tf.reshape(tf.cast(condition!.label!, 'float32'), [-1, 1])),
  predicts: x0Prediction,
  variance: fixedSmall,
});
const options = { shape: [3], count: 5, batch: 5, rng: rng(7), label: (i: number) => i };

describe('drawing samples', () => {
  beforeAll(() => useBackend('cpu'));

  it('gives each sample its own label and its own noise, whatever the batch', async () => {
    const whole = await draw(reverse, { ...options, sampler: ancestral(), keep: () => true });
    const apart = await draw(reverse, { ...options, sampler: ancestral(), keep: () => true, batch: 2 });
    expect([...whole.samples]).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]);
    expect(apart.frames).toEqual(whole.frames);
    expect(new Set(whole.frames[0]).size).toBe(15);
  });

  it('keeps x_t every so many steps, from the noise to the samples', async () => {
    const { samples, frames } = await draw(reverse, {
      ...options,
      sampler: ddim({ times: trailing(4) }),
      keep: (index) => index % 3 === 0,
    });
    expect(frames.length).toBe(3);
    expect(frames[2]).toBe(samples);
    expect((await draw(reverse, { ...options, sampler: ddim() })).frames).toEqual([]);
  });

  it('starts from noise as large as the process ends with', async () => {
    const forward = gaussianDiffusion(varianceExploding());
    const sampler = ddim({ times: trailing(2) });
    const { frames } = await draw(
      { ...reverse, forward },
      { ...options, sampler, count: 400, keep: () => true },
    );
    const power = frames[0]!.reduce((sum, x) => sum + x ** 2, 0) / frames[0]!.length;
    expect(Math.sqrt(power) / 80).toBeCloseTo(1, 1);
    const small = await draw(reverse, { ...options, sampler, count: 400, keep: () => true });
    frames[0]!.forEach((x, i) => {
      expect(x).toBeCloseTo(80 * small.frames[0]![i]!, 3);
    });
  });

  it('says how much of the work is done', async () => {
    const done: number[] = [];
    await draw(reverse, {
      ...options,
      sampler: ddim({ times: trailing(2) }),
      batch: 4,
      onStep: (share) => done.push(share),
    });
    expect(done).toEqual([0.4, 0.8, 0.9, 1]);
  });

  it('leaves no tensor behind, be it finished, aborted or failed', async () => {
    const before = tf.memory().numTensors;
    await draw(reverse, { ...options, sampler: ancestral(), keep: (index) => index % 2 === 0 });
    const controller = new AbortController();
    const aborted = draw(reverse, {
      ...options,
      sampler: ancestral(),
      signal: controller.signal,
      onStep: () => controller.abort(),
    });
    await expect(aborted).rejects.toThrow('abort');
    await expect(draw(reverse, { ...options, shape: [3, 3], sampler: ancestral() })).rejects.toThrow();
    expect(tf.memory().numTensors).toBe(before);
  });
});
