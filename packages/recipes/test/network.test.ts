import { rng } from '@diffusion-ts/tensor';
import { useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../src/config/index.js';
import { ConfigError, denoisingNetworkOf, emptyCondition, fitModel, PRESETS } from '../src/index.js';
import { changed, data, LABELLED, labelled, type Setting, tiny } from './settings.js';

const config = (preset: keyof typeof PRESETS, ...changes: Setting[]) =>
  parseConfig(changed({ ...PRESETS[preset] }, ...changes), preset);

describe('the network of a run', () => {
  beforeAll(() => useBackend('cpu'));

  it('takes its sizes from the data, and has a label more than classes where labels are dropped', () => {
    const fitted = fitModel(config('mnist'), data([28, 28, 1], 10));
    expect(fitted).toMatchObject({ sample_size: 28, in_channels: 1, out_channels: 1, num_class_embeds: 11 });
    expect(denoisingNetworkOf(fitted, true)).toMatchObject({
      shape: [28, 28, 1],
      classes: 10,
      nullLabel: 10,
    });
    const certain = fitModel(config('mnist', ['training.labelDropout', 0]), data([28, 28, 1], 10));
    expect(denoisingNetworkOf(certain, false)).toMatchObject({ classes: 10 });
    expect(denoisingNetworkOf(certain, false).nullLabel).toBe(undefined);
  });

  it('has twice the outputs where it learns the variance', () => {
    for (const variance of ['learned', 'learnedRange']) {
      const set = ['process.variance', variance] as const;
      expect(fitModel(config('images', set), data([64, 32, 3]))).toMatchObject({
        sample_size: [64, 32],
        in_channels: 3,
        out_channels: 6,
        num_class_embeds: null,
      });
      expect(fitModel(config('moons', set), data([2]))).toMatchObject({ dimensions: 2, outputs: 4 });
    }
  });

  it('is complete: its own config builds it again', () => {
    const fitted = fitModel(config('mnist'), data([28, 28, 1], 10));
    expect(denoisingNetworkOf(fitted, true).config).toEqual(fitted);
    expect(Object.keys(fitted)).toContain('norm_eps');
  });

  it.each([
    [
      ['model.in_channels', 3],
      'model.in_channels is 3: expected 1, which is what the data and the other settings ask for.',
    ],
    [
      ['model.norm_num_groups', 5],
      'model.block_out_channels must be multiples of norm_num_groups (5), 16 is not.',
    ],
    [['model.act_fn', 'gelu'], 'model.act_fn must be "silu", not "gelu".'],
    [['model.droput', 0.1], 'model.droput is no setting: expected dropout, perhaps, or one of sample_size, '],
    [
      ['model._class_name', 'MLP'],
      'model._class_name is MLP: expected UNet2DModel or AutoencoderKL for images.',
    ],
  ] as const)('is refused in one sentence with %s: %s', (change, message) => {
    const fit = () => fitModel(config('mnist', change), data([28, 28, 1], 10));
    expect(fit).toThrow(ConfigError);
    expect(fit).toThrow(message);
  });

  it('of images is refused for points', () => {
    const points = config('moons', ['model._class_name', 'UNet2DModel']);
    expect(() => fitModel(points, data([2]))).toThrow(
      'model._class_name is UNet2DModel: expected MLP for points.',
    );
  });

  it('without a size of its images, or with a strange setting, is refused in one sentence', () => {
    expect(() => denoisingNetworkOf({ _class_name: 'UNet2DModel' }, false)).toThrow(
      'model.sample_size is null: say how many pixels the images have.',
    );
    expect(() => denoisingNetworkOf({ _class_name: 'MLP', dimensions: 2, layer: 3 }, false)).toThrow(
      'model.layer is no setting: expected layers, perhaps, or one of dimensions, outputs, hidden, ',
    );
  });

  it('is refused with the sizes of images that would work', () => {
    expect(() => fitModel(config('images'), data([62, 62, 3]))).toThrow(
      'model.sample_size must have sides that are multiples of 4, such as 60 × 60 or 64 × 64, not 62 × 62.',
    );
  });

  it('with its weights is a denoiser that is told the class', () => {
    const network = denoisingNetworkOf(labelled().model, true);
    const made = network.init(rng(1));
    // The last layer of a fresh network is zero.
    const params = { ...made, 'output.weight': rng(2).normal(made['output.weight']!.shape) };
    const xt = tf.zeros([3, 2]);
    const label = tf.tensor1d([0, 1, 2], 'int32');
    const said = network.denoiser(params)(xt, tf.tensor1d([5, 5, 5]), { label }) as tf.Tensor2D;
    expect(said.shape).toEqual([3, 2]);
    const [first, second, third] = said.arraySync();
    expect(first).not.toEqual(second);
    expect(second).not.toEqual(third);
  });

  it('that never learned without classes has nothing to be told in their place, and others one row of it', () => {
    const before = tf.memory().numTensors;
    expect(emptyCondition(denoisingNetworkOf(tiny().model, false))).toBe(undefined);
    expect(emptyCondition(denoisingNetworkOf(labelled().model, false))).toBe(undefined);
    const empty = emptyCondition(denoisingNetworkOf(labelled().model, true))!;
    expect([...empty.condition.label!.dataSync()]).toEqual([2]);
    expect(empty.condition.label!.dtype).toBe('int32');
    empty.dispose();
    expect(tf.memory().numTensors).toBe(before);
    expect(LABELLED).toMatchObject({ model: { classes: 3 } });
  });
});
