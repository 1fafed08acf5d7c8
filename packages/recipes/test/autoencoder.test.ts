import { latent } from '@diffusion-ts/forward-process';
import { estimateBound } from '@diffusion-ts/losses';
import { finish, rng } from '@diffusion-ts/tensor';
import { useBackend } from '@diffusion-ts/testing';
import { initialState, trainStep } from '@diffusion-ts/training';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseConfig, type RunConfig } from '../src/config/index.js';
import { build, ConfigError, checkPlan, diffusionOf, fitModel, PRESETS } from '../src/index.js';
import { data } from './settings.js';

const SMALL = {
  block_out_channels: [4, 4],
  down_block_types: ['DownEncoderBlock2D', 'DownEncoderBlock2D'],
  up_block_types: ['UpDecoderBlock2D', 'UpDecoderBlock2D'],
  latent_channels: 2,
  norm_num_groups: 2,
};

function small(changes: object = {}): RunConfig {
  const preset = PRESETS['mnist-vae'];
  const config = parseConfig({ ...preset, model: { ...preset.model, ...SMALL }, ...changes }, 'The config');
  return { ...config, model: fitModel(config, data([8, 8, 1])) };
}

describe('the recipe of an autoencoder', () => {
  beforeAll(() => useBackend('wasm'));

  it('trains by its ELBO, draws from N(0, I) through the decoder, and is measured by the bound of diffusion', async () => {
    const built = checkPlan(small());
    const state = initialState(built.network.init(rng(0)));
    const x0 = tf.fill([4, 8, 8, 1], -1);
    const { dispose, ...training } = built.trainSteps(rng(1));
    const first = await trainStep(state, { x0 }, training);
    let last = first;
    while (state.step < 15) last = await trainStep(state, { x0 }, { ...training, learningRate: () => 1e-2 });
    expect(last.loss).toBeLessThan(first.loss / 2);
    dispose();

    const process = built.process(state.params);
    const z = latent(process.forward, rng(3), [3, 8, 8, 1]);
    expect(z.shape).toEqual([3, ...built.latentShape!]);
    const samples = await finish(built.sampler(small().sampling)(process, z, { rng: rng(4) }));
    expect(samples.shape).toEqual([3, 8, 8, 1]);

    async function* batches() {
      yield { x0 };
    }
    const { bitsPerDim, prior, reconstruction, transitions } = await estimateBound(process, batches(), {
      decoder: built.decoder,
      times: 2,
      rng: rng(5),
    });
    expect(transitions).toBeCloseTo(0, 10);
    expect(prior).toBeGreaterThan(0);
    expect(prior + reconstruction).toBeCloseTo(bitsPerDim, 10);
    // What was learned by the tanh's CDF is measured by the normal one, of other noise: near, not the same.
    expect(Math.abs(bitsPerDim - last.loss)).toBeLessThan(1);
  });

  it.each([
    [{ loss: { kind: 'simple' } }, 'loss.kind is simple: expected elbo'],
    [{ sampling: { sampler: 'ddim' } }, 'sampling.sampler is ddim: expected ancestral'],
    [{ sampling: { sampler: 'ancestral', steps: 5 } }, 'sampling.steps is 5: expected at most the 1 steps'],
    [{ process: { predicts: 'v' } }, 'process.predicts is v: expected epsilon, its default'],
    [{ process: { noise: 'uniform' } }, 'process.noise is uniform: expected gaussian, its default'],
  ])('refuses what it has no use for: %o', (changes, sentence) => {
    expect(() => checkPlan(small(changes))).toThrow(ConfigError);
    expect(() => checkPlan(small(changes))).toThrow(sentence);
  });

  it('is not guided', () => {
    expect(() => build(small()).process({}, 1)).toThrow('sampling.guidance is 1: expected 0');
  });

  it('is no diffusion, and a diffusion is not taught by the ELBO', () => {
    expect(() => diffusionOf(small())).toThrow('model._class_name is AutoencoderKL, which denoises nothing');
    const points = parseConfig({ ...PRESETS.moons, loss: { kind: 'elbo' } }, 'The config');
    const config = { ...points, model: fitModel(points, data([2])) };
    expect(() => checkPlan(config)).toThrow(
      'loss.kind is elbo: expected simple, variational-bound or hybrid',
    );
    expect(() => build(config).trainSteps(rng(0))).toThrow('loss.kind is elbo');
  });

  it('is for square images without classes', () => {
    const config = parseConfig(PRESETS['mnist-vae'], 'The config');
    expect(() => fitModel(config, data([8, 12, 1]))).toThrow('The images are 8 × 12: expected square ones');
    expect(() => fitModel(config, data([8, 8, 1], 10))).toThrow('data.labels is true: expected false');
  });
});
