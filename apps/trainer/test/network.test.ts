import type { Dataset } from '@diffusion-ts/datasets';
import { describe, expect, it } from 'vitest';
import { checkConfig } from '../src/config/read.js';
import { setPath } from '../src/config/set.js';
import { build } from '../src/from-config/build.js';
import { countOf, fitModel, networkOf } from '../src/from-config/network.js';
import { PRESETS } from '../src/presets/index.js';

const data = (shape: readonly number[], classes?: number): Dataset => ({
  size: 1,
  shape,
  range: [-1, 1],
  ...(classes !== undefined && { classes: Array.from({ length: classes }, (_, k) => String(k)) }),
  batch: () => Promise.reject(new Error('no batch')),
});
const config = (preset: string, ...assignments: string[]) =>
  checkConfig(assignments.reduce(setPath, { ...PRESETS[preset] }), preset);

describe('the network of a run', () => {
  it('takes its sizes from the data, and has a label more than classes where labels are dropped', () => {
    const fitted = fitModel(config('mnist'), data([28, 28, 1], 10));
    expect(fitted).toMatchObject({ sample_size: 28, in_channels: 1, out_channels: 1, num_class_embeds: 11 });
    expect(networkOf(fitted, true)).toMatchObject({ shape: [28, 28, 1], classes: 10, nullLabel: 10 });
    const certain = fitModel(config('mnist', 'training.labelDropout=0'), data([28, 28, 1], 10));
    expect(networkOf(certain, false)).toMatchObject({ classes: 10 });
    expect(networkOf(certain, false).nullLabel).toBe(undefined);
  });

  it('has twice the outputs where it learns the variance', () => {
    const set = ['process.variance=learnedRange'];
    expect(fitModel(config('images', ...set), data([64, 32, 3]))).toMatchObject({
      sample_size: [64, 32],
      in_channels: 3,
      out_channels: 6,
      num_class_embeds: null,
    });
    expect(fitModel(config('moons', ...set), data([2]))).toMatchObject({ dimensions: 2, outputs: 4 });
  });

  it('has 35.7 million parameters in the preset of DDPM on CIFAR-10', () => {
    const fitted = fitModel(config('cifar10-ddpm'), data([32, 32, 3]));
    expect(countOf(networkOf(fitted, false).shapes)).toBe(35_746_307);
  });

  it('can be built from every preset', () => {
    const shapes = { moons: [2], 'swiss-roll': [2], 'cifar10-ddpm': [32, 32, 3], images: [64, 64, 3] };
    for (const preset of Object.keys(PRESETS)) {
      const settings = config(preset);
      const shape = shapes[preset as keyof typeof shapes] ?? [28, 28, 1];
      const model = fitModel(settings, data(shape, settings.data.labels ? 10 : undefined));
      expect(build({ ...settings, model }).network.shape).toEqual(shape);
    }
  });

  it.each([
    [
      ['model.in_channels=3'],
      'model.in_channels is 3: expected 1, which is what the data and the other settings ask for.',
    ],
    [
      ['model.norm_num_groups=5'],
      'model.block_out_channels must be multiples of norm_num_groups (5), 16 is not.',
    ],
    [['model.act_fn=gelu'], 'model.act_fn must be "silu", not "gelu".'],
    [['model.droput=0.1'], 'model.droput is no setting: expected dropout, perhaps, or one of sample_size, '],
    [['model._class_name=MLP'], 'model._class_name is MLP: expected UNet2DModel for images.'],
  ])('refuses %s', (assignments, message) => {
    expect(() => fitModel(config('mnist', ...assignments), data([28, 28, 1], 10))).toThrow(message);
  });

  it('says which sizes of images would work', () => {
    expect(() => fitModel(config('images'), data([60, 60, 3]))).toThrow(
      'model.sample_size must have sides that are multiples of 8, such as 56 × 56 or 64 × 64, not 60 × 60.',
    );
  });

  it('refuses a schedule that cannot be, with the sentence of the schedule', () => {
    const settings = config('moons', 'process.schedule.kind=linear', 'process.schedule.steps=10');
    const model = fitModel(settings, data([2]));
    expect(() => build({ ...settings, model })).toThrow(/^process\.schedule: steps is 10, too few/);
  });
});
