import { describe, expect, it } from 'vitest';
import { parseConfig, type RunConfig } from '../src/config/index.js';
import { build, countOf, denoisingNetworkOf, fitModel, PRESETS } from '../src/index.js';
import { data, fixture } from './settings.js';

const NAMES = Object.keys(PRESETS) as (keyof typeof PRESETS)[];
const SHAPES: Readonly<Record<keyof typeof PRESETS, readonly number[]>> = {
  mnist: [28, 28, 1],
  'fashion-mnist': [28, 28, 1],
  'cifar10-ddpm': [32, 32, 3],
  moons: [2],
  'swiss-roll': [2],
  images: [32, 32, 3],
  'images-64': [64, 64, 3],
  'mnist-vae': [28, 28, 1],
  'mnist-latent': [7, 7, 4],
  'mnist-vdm': [28, 28, 1],
  'mnist-edm': [28, 28, 1],
  'mnist-flow': [28, 28, 1],
  'mnist-7': [7, 7, 1],
  'mnist-superres': [28, 28, 1],
  'mnist-classifier': [28, 28, 1],
  'binary-heartbeat': [20],
  'mnist-binary': [28, 28, 1],
  names: [8],
  'swiss-roll-2015': [2],
};

describe('a preset', () => {
  // Written by the first edition, which had no `sampling.times`, no `process.clip` and no noise but the Gaussian.
  const before = fixture('presets.json') as Readonly<Record<string, RunConfig>>;

  it('is still there under its name', () => {
    expect(NAMES).toEqual(expect.arrayContaining(Object.keys(before)));
  });

  // That of images took weeks.
  it.each((Object.keys(before) as typeof NAMES).filter((name) => name !== 'images'))(
    'has the settings that it always had, defaults included: %s',
    (name) => {
      const { process, loss, sampling, training, ...rest } = before[name]!;
      expect(parseConfig(PRESETS[name], name)).toEqual({
        ...rest,
        loss: { ...loss, ...(loss.kind === 'simple' && { uncertainty: false }) },
        process: { ...process, clip: 1, noise: 'gaussian', sigmaData: 0.5 },
        training: {
          ...training,
          ...{
            timestepsMean: null,
            timestepsDeviation: null,
            coupling: 'independent',
            pairsOf: null,
            pairs: null,
          },
        },
        sampling: { ...sampling, times: null, eta: null, order: null, churn: 0, tolerance: null },
      });
    },
  );

  it.each(NAMES)('can be built and sampled from, but for a classifier: %s', (name) => {
    const config = parseConfig(PRESETS[name], name);
    const classes = 'labels' in config.data && config.data.labels ? 10 : undefined;
    const model = fitModel(config, data(SHAPES[name], classes));
    const { network, sampler, classifier } = build({ ...config, model });
    expect(network.shape).toEqual(SHAPES[name]);
    expect(network.classes).toBe(classes);
    if (classifier === undefined) expect(() => sampler(config.sampling)).not.toThrow();
    else expect(() => sampler(config.sampling)).toThrow('neither draws nor bounds anything');
  });

  it.each([
    ['images', 2_736_099, 64_000],
    ['images-64', 3_147_555, 192_000],
  ] as const)('of %s is small enough to be waited for', (name, parameters, seen) => {
    const config = parseConfig(PRESETS[name], name);
    const fitted = fitModel(config, data(SHAPES[name]));
    expect(countOf(denoisingNetworkOf(fitted, false).shapes)).toBe(parameters);
    const { steps, batch, sampleEvery } = config.training;
    expect(steps * batch).toBe(seen);
    // The first sheet comes within minutes, at the rates of the commit that chose them: 23 and 7 images a second.
    expect(sampleEvery * batch).toBeLessThan(5 * 60 * 23);
  });

  it('of DDPM on CIFAR-10 has a network of 35.7 million parameters', () => {
    const config = parseConfig(PRESETS['cifar10-ddpm'], 'preset');
    const fitted = fitModel(config, data([32, 32, 3]));
    expect(countOf(denoisingNetworkOf(fitted, false).shapes)).toBe(35_746_307);
  });
});
