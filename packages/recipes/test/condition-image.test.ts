import { batches, disposeBatch, fromArrays } from '@diffusion-ts/datasets';
import { latent } from '@diffusion-ts/forward-process';
import { estimateBound } from '@diffusion-ts/losses';
import { finish, type Params, rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, useBackend } from '@diffusion-ts/testing';
import { disposeState, initialState, train, trainStep } from '@diffusion-ts/training';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseConfig, type RunConfig } from '../src/config/index.js';
import { build, ConfigError, checkPlan, emptyCondition, fitModel, preparedImages } from '../src/index.js';
import { changed, data, type Setting } from './settings.js';

const SMALL = {
  data: { kind: 'images', path: 'photos', height: 4, width: 4, channels: 3, condition: { kind: 'grey' } },
  model: {
    _class_name: 'UNet2DModel',
    block_out_channels: [4],
    down_block_types: ['DownBlock2D'],
    up_block_types: ['UpBlock2D'],
    layers_per_block: 1,
    norm_num_groups: 2,
    attention_head_dim: 4,
    add_attention: false,
  },
  process: { schedule: { kind: 'cosine', steps: 10 }, predicts: 'v' },
  training: { batch: 4, learningRate: 0.01, labelDropout: 0 },
  sampling: { steps: 3, count: 2 },
};

function small(...changes: readonly Setting[]): RunConfig {
  const config = parseConfig(changed(SMALL, ...changes), 'The config');
  return { ...config, model: fitModel(config, data([4, 4, 3])) };
}

/** Pictures in two colours, of whose grey the colour can be told. */
const pictures = fromArrays({
  values: Uint8Array.from({ length: 8 * 48 }, (_, i) => (Math.floor(i / 48) % 2 ? 255 : 0)),
  shape: [4, 4, 3],
});

describe('a run that is told an image', () => {
  beforeAll(() => useBackend('wasm'));

  it.each([
    [{ kind: 'grey' }, 4, 1],
    [{ kind: 'grey', noise: 0.5 }, 5, 2],
    [{ kind: 'low-resolution', factor: 2 }, 6, 3],
    [{ kind: 'low-resolution', factor: 4, noise: 1 }, 7, 4],
  ])('has a network of as many more channels: %o', (condition, inputs, told) => {
    const config = small(['data.condition', condition]);
    expect(config.model).toMatchObject({ in_channels: inputs, condition_channels: told, out_channels: 3 });
    const { network } = build(config);
    expect(network).toMatchObject({ shape: [4, 4, 3], image: [4, 4, told], nullImage: false });
  });

  it('is told of its data what its network accepts', async () => {
    const config = small(['data.condition', { kind: 'low-resolution', factor: 2, noise: 0.1 }]);
    const { condition } = await preparedImages(pictures, config.data).batch([0, 1], rng(0));
    expect(condition!.image!.shape.slice(1)).toEqual(build(config).network.image);
  });

  it('learns from it what x_0 alone does not say, and is drawn from and measured with it', async () => {
    const config = small();
    const dataset = preparedImages(pictures, config.data);
    const built = checkPlan(config);
    const state = initialState(built.network.init(rng(0)));
    const { dispose, ...training } = built.trainSteps(rng(1));
    const options = { ...training, learningRate: () => 0.03, ema: undefined };
    await finish(
      train({
        ...options,
        state,
        batches: (start) => batches(dataset, { size: 8, seed: 0, start }),
        steps: 30,
      }),
    );
    dispose();
    const reverse = built.process(state.params);
    const { x0, condition } = await dataset.batch([0, 1]);
    const sampler = built.sampler(config.sampling);
    const drawn = await finish(
      sampler(reverse, latent(reverse.forward, rng(2), [2, 4, 4, 3]), { condition: condition! }),
    );
    const [black, white] = (tf.mean(drawn, [1, 2, 3]).arraySync() as number[]).map((x) => Math.round(x));
    expect([black, white]).toEqual([-1, 1]);

    const bits = async (image: tf.Tensor) => {
      async function* told() {
        yield { x0, condition: { image } };
      }
      const options = { decoder: built.decoder, times: 5, rng: rng(3) };
      return (await estimateBound(reverse, told(), options)).bitsPerDim;
    };
    const image = condition!.image!;
    expect(await bits(image)).toBeLessThan((await bits(tf.neg(image))) - 1);
    disposeState(state);
  });

  it('is guided to its image and its class together, away from a network told zeros and no class', async () => {
    const config = {
      ...parseConfig(
        changed(SMALL, ['data.labels', true], ['training.labelDropout', 0.5], ['sampling.guidance', 1]),
        'The config',
      ),
    };
    const labelled = { ...config, model: fitModel(config, data([4, 4, 3], 2)) };
    const { network, process } = checkPlan(labelled);
    expect(network).toMatchObject({ classes: 2, nullLabel: 2, image: [4, 4, 1], nullImage: true });
    const empty = emptyCondition(network)!;
    expect([...empty.condition.label!.dataSync()]).toEqual([2]);
    expect([...empty.condition.image!.dataSync()]).toEqual(new Array(16).fill(0));
    const params = awake(network.init(rng(1)));
    const xt = rng(2).normal([2, 4, 4, 3]);
    const condition = {
      label: tf.tensor1d([0, 1], 'int32'),
      image: rng(3).normal([2, 4, 4, 1]),
    };
    const none = {
      label: tf.tensor1d([2, 2], 'int32'),
      image: tf.zeros([2, 4, 4, 1]),
    };
    const answer = async (w: number, told: typeof condition) => {
      const evaluation = await process(params, w).evaluate(xt, 5, told);
      return (evaluation as unknown as { prediction: tf.Tensor }).prediction;
    };
    const [c, u] = [await answer(0, condition), await answer(0, none)];
    expectAllClose(await answer(2, condition), tf.add(c, tf.mul(2, tf.sub(c, u))), { absolute: 1e-4 });
    empty.dispose();
  });

  it('hides the image in training as often as it is told to', async () => {
    const config = small(['training.labelDropout', 1]);
    const { network, trainSteps } = checkPlan(config);
    const dataset = preparedImages(pictures, config.data);
    const lossOf = async (image: (image: tf.Tensor) => tf.Tensor) => {
      const state = initialState(awake(network.init(rng(0))));
      const { dispose, ...training } = trainSteps(rng(1));
      const { x0, condition } = await dataset.batch([0, 1, 2, 3]);
      const { loss } = await trainStep(
        state,
        { x0, condition: { image: image(condition!.image!) } },
        training,
      );
      dispose();
      disposeState(state);
      return loss;
    };
    expect(await lossOf((image) => image)).toBe(await lossOf((image) => tf.neg(image)));
  });

  it('leaves nothing behind of what stands for no image', async () => {
    const config = small(['training.labelDropout', 0.5]);
    const { process, network, trainSteps } = checkPlan(config);
    const params = network.init(rng(0));
    await expectNoLeak(() => {
      process(params, 1).dispose();
      trainSteps(rng(0)).dispose();
    });
    disposeBatch(await preparedImages(pictures, config.data).batch([0]));
  });
});

describe('smaller images', () => {
  it('are the means of the others, which is what the second of a cascade is told', async () => {
    const small = parseConfig(changed(SMALL, ['data.reduction', 2], ['data.condition', null]), 'The config');
    const large = parseConfig(
      changed(SMALL, ['data.condition', { kind: 'low-resolution', factor: 2 }]),
      'The config',
    );
    const first = preparedImages(pictures, small.data);
    const { condition } = await preparedImages(pictures, large.data).batch([0, 1]);
    const { x0 } = await first.batch([0, 1]);
    expect(first.shape).toEqual([2, 2, 3]);
    expectAllClose(tf.avgPool(condition!.image as tf.Tensor4D, 2, 2, 'valid'), x0, { absolute: 1e-6 });
  });
});

describe('a condition is refused in one sentence', () => {
  it.each([
    [['data.condition', 'grey'], 'The config: data.condition is "grey": expected '],
    [
      ['data.condition', { kind: 'blurred' }],
      'data.condition.kind is "blurred": expected one of low-resolution, grey',
    ],
    [
      ['data.condition', { kind: 'low-resolution' }],
      'data.condition.factor is missing: expected a whole number in 2 … 64',
    ],
    [
      ['data.condition', { kind: 'grey', noise: -1 }],
      'data.condition.noise is -1: expected a number of at least 0',
    ],
    [
      ['data.condition', { kind: 'low-resolution', factor: 3 }],
      'data.condition: factor is 3, expected a divisor of both sides of the images, 4 × 4.',
    ],
    [
      ['model.condition_channels', 2],
      'model.condition_channels is 2: expected 1, which is what the data and the other settings ask for.',
    ],
  ] as const)('%j', (change, sentence) => {
    expect(() => small(change as Setting)).toThrow(ConfigError);
    expect(() => small(change as Setting)).toThrow(sentence);
  });

  it('where the images have none, or the network is another', () => {
    const grey = parseConfig(changed(SMALL, ['data.channels', 1]), 'The config');
    expect(() => fitModel(grey, data([4, 4, 1]))).toThrow(
      'data.condition: the images have 1 channel, expected the 3 of colour, of which luma is kept.',
    );
    const { model } = small();
    expect(() => build({ ...small(['data.condition', null]), model })).toThrow(
      'model.condition_channels is 1: expected none, which is what data.condition tells it.',
    );
    const { condition_channels: _, ...untold } = model;
    expect(() => build({ ...small(), model: { ...untold, in_channels: 3 } })).toThrow(
      'data.condition is grey: expected null, since this network is told no image.',
    );
    const points = { kind: 'moons', condition: { kind: 'grey' } };
    expect(() => parseConfig(changed(SMALL, ['data', points]), 'The config')).toThrow(
      'data.condition is no setting',
    );
    expect(() =>
      preparedImages(pictures, small(['data.reduction', 3], ['data.condition', null]).data),
    ).toThrow('data.reduction: factor is 3, expected a divisor of both sides of the images, 4 × 4.');
  });

  it('of an autoencoder', () => {
    const config = parseConfig(
      changed(SMALL, ['model', { _class_name: 'AutoencoderKL' }], ['loss', { kind: 'elbo' }]),
      'The config',
    );
    expect(() => fitModel(config, data([4, 4, 3]))).toThrow(
      'data.condition is grey: expected null, since an AutoencoderKL is told nothing.',
    );
  });
});

/** Parameters with nothing zeroed, so that everything has an effect. */
function awake(params: Params): Params {
  return Object.fromEntries(
    Object.entries(params).map(([name, tensor]) => [
      name,
      tf.add(tensor, tf.mul(rng(9).fork(name).normal(tensor.shape), 0.1)),
    ]),
  );
}
