import { fromArrays } from '@diffusion-ts/datasets';
import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { fixedSmall, reverseProcess, vPrediction } from '@diffusion-ts/reverse-process';
import { cosine, rectified, varianceExploding } from '@diffusion-ts/schedules';
import { type Params, perExampleTensor, rng } from '@diffusion-ts/tensor';
import { expectAllClose, useBackend } from '@diffusion-ts/testing';
import { disposeState, initialState, trainStep } from '@diffusion-ts/training';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseConfig, type RunConfig } from '../src/config/index.js';
import {
  build,
  ConfigError,
  checkPlan,
  classifierGuided,
  diffusionOf,
  fitModel,
  type Logits,
  planWarnings,
} from '../src/index.js';
import { changed, data, type Setting } from './settings.js';

const SMALL = {
  data: { kind: 'images', path: 'photos', height: 4, width: 4, channels: 1, labels: true },
  model: {
    _class_name: 'Classifier',
    block_out_channels: [4],
    down_block_types: ['DownBlock2D'],
    layers_per_block: 1,
    norm_num_groups: 2,
    attention_head_dim: 4,
    add_attention: false,
  },
  process: { schedule: { kind: 'cosine', steps: 100 } },
  loss: { kind: 'cross-entropy' },
  training: { batch: 16, learningRate: 0.03, labelDropout: 0 },
};

function small(...changes: readonly Setting[]): RunConfig {
  const config = parseConfig(changed(SMALL, ...changes), 'The config');
  return { ...config, model: fitModel(config, data([4, 4, 1], 2)) };
}

/** Black pictures of class 0 and white ones of class 1. */
const pictures = fromArrays({
  values: Uint8Array.from({ length: 16 * 16 }, (_, i) => (Math.floor(i / 16) % 2 ? 255 : 0)),
  shape: [4, 4, 1],
  labels: Array.from({ length: 16 }, (_, i) => i % 2),
  classes: ['black', 'white'],
});

describe('the recipe of a classifier', () => {
  beforeAll(() => useBackend('wasm'));

  it('learns the classes of noisy images, sure of those with little noise, and of those that are noise alone not at all', async () => {
    const config = small();
    const built = checkPlan(config);
    expect(built.network).toMatchObject({ shape: [4, 4, 1], classes: 2, isImage: true });
    const state = initialState(built.network.init(rng(0)));
    const { dispose, ...training } = built.trainSteps(rng(1));
    const batch = await pictures.batch([...Array(16).keys()]);
    // A fresh one knows nothing: 1 bit of two classes.
    const { loss } = await trainStep(state, batch, training);
    expect(loss).toBeCloseTo(1, 5);
    while (state.step < 40) await trainStep(state, batch, training);
    dispose();
    const { schedule } = built.forward;
    const classifier = built.classifier!(state.params, schedule);
    const noise = rng(2).normal([16, 4, 4, 1]);
    const probability = (t: number): number[] =>
      tf.tidy(() => {
        const logits = classifier(built.forward.sample(batch.x0, t, noise), t);
        const right = tf.oneHot(batch.condition!.label as tf.Tensor1D, 2);
        return [...tf.sum(tf.mul(tf.softmax(logits as tf.Tensor2D), right), 1).dataSync()];
      });
    const mean = (t: number): number => probability(t).reduce((sum, p) => sum + p, 0) / 16;
    expect(Math.min(...probability(5))).toBeGreaterThan(0.9);
    expect(Math.abs(mean(99) - 0.5)).toBeLessThan(0.2);
    tf.dispose([noise, batch.x0, batch.condition!]);
    disposeState(state);
  });

  it('says the same of x_t whatever its schedule, where there is as much noise', () => {
    tf.tidy(() => {
      const built = build(small());
      const params = awake(built.network.init(rng(0)));
      const own = built.forward.schedule;
      const xt = rng(2).normal([2, 4, 4, 1]);
      const t = Float64Array.of(20, 70);
      const wanted = built.classifier!(params, own)(xt, t);
      expect(new Set(wanted.dataSync()).size).toBe(4);
      for (const other of [rectified(), varianceExploding(), cosine({ steps: 1000 })]) {
        const at = t.map((time) => other.timeOf(own.level(time).logSnr));
        const ratio = t.map((time, i) => other.level(at[i]!).alpha / own.level(time).alpha);
        const same = tf.mul(xt, tf.reshape(perExampleTensor(ratio, 2), [2, 1, 1, 1]));
        expectAllClose(built.classifier!(params, other)(same, at), wanted, {
          relative: 1e-3,
          absolute: 1e-4,
        });
      }
    });
  });

  it('guides x̂_0 by s σ²/α ∇ ln p(y | x_t), which of logits a·x is (1 − p) a', async () => {
    const forward = gaussianDiffusion(cosine({ steps: 100 }));
    const reverse = reverseProcess({
      forward,
      denoiser: (xt) => tf.mul(xt, 0.3),
      predicts: vPrediction,
      variance: fixedSmall,
    });
    const a = tf.tensor2d([0.5, -1], [2, 1]);
    const logits: Logits = (xt) =>
      tf.concat([tf.zeros([xt.shape[0]!, 1]), tf.matMul(xt as tf.Tensor2D, a)], 1);
    const xt = tf.tensor2d([0.4, 0.2, -1, 2], [2, 2]);
    const t = 60;
    const condition = { label: tf.tensor1d([1, 0], 'int32') };
    const x0Of = async (process: typeof reverse) => (await process.evaluate(xt, t, condition)).x0();
    const [plain, led] = [await x0Of(reverse), await x0Of(classifierGuided(reverse, logits, 3))];
    const { alpha, sigma } = forward.schedule.level(t);
    // a·x is 0 of the first and −2.5 of the second, whose label is the other class.
    const slopes = [0.5 * 0.5, 0.5 * -1, -0.5 / (1 + Math.exp(2.5)), 1 / (1 + Math.exp(2.5))];
    const wanted = slopes.map((slope) => ((3 * sigma ** 2) / alpha) * slope);
    expectAllClose(tf.sub(led, plain), tf.tensor2d(wanted, [2, 2]), { relative: 1e-4 });
  });

  it.each([
    [
      ['loss', { kind: 'simple' }],
      'loss.kind is simple: expected cross-entropy, which is what a Classifier learns by.',
    ],
    [['process.predicts', 'v'], 'process.predicts is v: expected epsilon, its default'],
    [['process.sigmaData', 1], 'process.sigmaData is 1: expected 0.5, its default'],
    [['training.pairs', 9], 'training.pairs is 9: expected null, since training.coupling is independent'],
    [['process.variance', 'learned'], 'process.variance is learned: expected fixedSmall, its default'],
    [['process.noise', 'uniform'], 'process.noise is uniform: expected gaussian, its default'],
    [['sampling.guidance', 1], 'sampling.guidance is 1: expected 0, since a Classifier draws nothing.'],
    [
      ['training.coupling', 'optimal-transport'],
      'training.coupling is optimal-transport: expected independent',
    ],
    [
      ['process.schedule', { kind: 'learned' }],
      'process.schedule.kind is learned: expected a schedule that is given',
    ],
    [
      ['data.condition', { kind: 'low-resolution', factor: 2 }],
      'data.condition is low-resolution: expected null',
    ],
    [['model.up_block_types', ['UpBlock2D']], 'model.up_block_types is no setting: expected '],
  ] as const)('refuses what it has no use for: %j', (change, sentence) => {
    expect(() => checkPlan(small(change as Setting))).toThrow(ConfigError);
    expect(() => checkPlan(small(change as Setting))).toThrow(sentence);
  });

  it('draws nothing, bounds nothing, and is warned of no ε', () => {
    const config = small();
    const built = build(config);
    const sentence =
      'model._class_name is Classifier: expected a network that denoises, since a Classifier tells classes, and neither draws nor bounds anything.';
    expect(() => built.process({})).toThrow(sentence);
    expect(() => built.sampler(config.sampling)).toThrow(sentence);
    expect(() => diffusionOf(config)).toThrow('model._class_name is Classifier, which denoises nothing');
    expect(planWarnings(config, built)).toEqual([]);
  });

  it('needs labels', () => {
    const config = parseConfig(SMALL, 'The config');
    expect(() => fitModel(config, data([4, 4, 1]))).toThrow(
      'data.labels is false: expected true, since a Classifier learns the classes.',
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
