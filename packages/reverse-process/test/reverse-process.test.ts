import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { cosine, linear, rescaleToZeroTerminalSnr, respace } from '@diffusion-ts/schedules';
import { type Denoiser, rng } from '@diffusion-ts/tensor';
import {
  expectAllClose,
  expectNoLeak,
  firstOfEach,
  goldenDenoiser,
  goldenGaussian,
  goldenNoise,
  goldenX0,
  onEachBackend,
} from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { type Prediction, type ReverseProcess, reverseProcess, type Variance } from '../src/index.js';

const schedule = cosine({ steps: 20 });
const forward = gaussianDiffusion(schedule);
const predictions = ['epsilon', 'x0', 'v', 'previous'] as const;
const variances = ['fixedSmall', 'fixedLarge', 'learned', 'learnedRange'] as const;

const indices = () => tf.tensor1d([0, 1, 10, 17], 'int32');
const never: Denoiser = () => {
  throw new Error('the network was asked');
};

/** x_t made from known x_0 and noise, and the process of a network that knows both. */
function omniscient(
  predicts: Prediction,
  clip: boolean | [number, number] = false,
  process = forward,
): {
  x0: tf.Tensor;
  noise: tf.Tensor;
  xt: tf.Tensor;
  reverse: ReverseProcess;
} {
  const x0 = rng(1).normal([4, 3, 2]);
  const noise = rng(2).normal([4, 3, 2]);
  const xt = process.sample(x0, indices(), noise);
  const reverse: ReverseProcess = reverseProcess({
    forward: process,
    denoiser: (x, t) => reverse.target(x0, x, t, noise),
    predicts,
    variance: 'fixedSmall',
    clip,
  });
  return { x0, noise, xt, reverse };
}

onEachBackend(() => {
  describe.each(['linear', 'cosine'] as const)('on the %s schedule of improved-diffusion', (name) => {
    const golden = goldenGaussian(name);
    const q = gaussianDiffusion({ linear, cosine }[name]({ steps: 1000 }));

    for (const { predicts, variance, ...expected } of golden.rows) {
      it(`${predicts} with ${variance} variance has the transition of the reference`, () => {
        const t = tf.tensor1d([...golden.t], 'int32');
        const xt = q.sample(goldenX0(), t, goldenNoise());
        const reverse = reverseProcess({
          forward: q,
          denoiser: goldenDenoiser(variance),
          predicts,
          variance,
        });
        const { mean, variance: sigma2, logVariance } = reverse.transition(xt, t);
        const perElement = tf.broadcastTo(logVariance, xt.shape);
        expectAllClose(firstOfEach(mean, 4), expected.p_mean_first4.flat());
        expectAllClose(firstOfEach(perElement, 4), expected.p_log_variance_first4.flat());
        expectAllClose(tf.log(sigma2), logVariance);
      });
    }
  });

  it.each(predictions)(
    'a network that predicts the true %s finds the x_0 and the noise of x_t',
    (predicts) => {
      const { x0, noise, xt, reverse } = omniscient(predicts);
      const found = reverse.predict(xt, indices());
      expectAllClose(found.x0, x0, { absolute: 2e-5 });
      expectAllClose(found.epsilon, noise, { absolute: 2e-5 });
    },
  );

  it.each(predictions)('and its transition has the mean of the posterior: %s', (predicts) => {
    const { x0, xt, reverse } = omniscient(predicts);
    const transition = reverse.transition(xt, indices());
    expectAllClose(transition.mean, forward.posterior(x0, xt, indices()).mean, { absolute: 2e-6 });
    expectAllClose(transition.x0, x0, { absolute: 2e-5 });
  });

  it.each(['v', 'x0'] as const)('at zero terminal SNR a network can predict %s', (predicts) => {
    const process = gaussianDiffusion(rescaleToZeroTerminalSnr(schedule));
    const { x0, noise, xt, reverse } = omniscient(predicts, false, process);
    const t = tf.tensor1d([0, 1, 10, 19], 'int32');
    const last = process.sample(x0, t, noise);
    const found = reverse.predict(last, t, undefined, { prediction: reverse.target(x0, xt, t, noise) });
    expectAllClose(found.x0, x0, { absolute: 2e-5 });
    expectAllClose(found.epsilon, noise, { absolute: 2e-5 });
  });

  it('refuses ε at zero terminal SNR before any tensor is made', () => {
    const process = gaussianDiffusion(rescaleToZeroTerminalSnr(schedule));
    const before = tf.memory().numTensors;
    expect(() =>
      reverseProcess({ forward: process, denoiser: never, predicts: 'epsilon', variance: 'fixedSmall' }),
    ).toThrow(/must be 'v' or 'x0' .* not 'epsilon': x0 cannot be computed/);
    expect(tf.memory().numTensors).toBe(before);
  });

  it.each(predictions)('clips x_0, and gives the noise that fits the clipped x_0: %s', (predicts) => {
    const { x0, xt, reverse } = omniscient(predicts, [-0.5, 0.25]);
    const found = reverse.predict(xt, indices());
    expectAllClose(found.x0, tf.clipByValue(x0, -0.5, 0.25), { absolute: 2e-5 });
    expectAllClose(forward.sample(found.x0, indices(), found.epsilon), xt, { absolute: 2e-6 });
  });

  it('clips to [−1, 1] where clip is true, and the mean of the transition follows', () => {
    const { x0, xt, reverse } = omniscient('epsilon', true);
    const clipped = tf.clipByValue(x0, -1, 1);
    const { mean } = reverse.transition(xt, indices());
    expectAllClose(mean, forward.posterior(clipped, xt, indices()).mean, { absolute: 2e-5 });
  });

  it('does not touch the mean of a network that predicts it, clipped x_0 or not', () => {
    const { x0, xt, reverse } = omniscient('previous', [-0.5, 0.25]);
    const transition = reverse.transition(xt, indices());
    expectAllClose(transition.mean, forward.posterior(x0, xt, indices()).mean);
    expectAllClose(transition.x0, tf.clipByValue(x0, -0.5, 0.25), { absolute: 2e-5 });
  });

  it('bears its options, so that one of them can be changed', () => {
    const { x0, xt, reverse } = omniscient('v');
    const clipping = reverseProcess({ ...reverse, clip: true });
    expectAllClose(clipping.predict(xt, indices()).x0, tf.clipByValue(x0, -1, 1), { absolute: 2e-5 });
    expect(clipping.clip).toBe(true);
  });

  it('refuses an empty range to clip to', () => {
    expect(() =>
      reverseProcess({ forward, denoiser: never, predicts: 'x0', variance: 'fixedSmall', clip: [1, 1] }),
    ).toThrow(new RangeError('clip must be a range [min, max] with min < max, not [1, 1]'));
  });

  it('splits the channels where the variance is learned', () => {
    const denoiser: Denoiser = (xt) => tf.concat([tf.mul(xt, 2), tf.mul(xt, 3)], -1);
    const reverse = reverseProcess({ forward, denoiser, predicts: 'x0', variance: 'learned' });
    const xt = tf.reshape(tf.range(0, 12), [2, 2, 3]);
    const { prediction, variance } = reverse.network(xt, tf.tensor1d([0, 5], 'int32'));
    expectAllClose(prediction, tf.mul(xt, 2));
    expectAllClose(variance!, tf.mul(xt, 3));
  });

  it('refuses what a network returns in the wrong shape', () => {
    const ask = (variance: Variance, width: number) => () =>
      reverseProcess({
        forward,
        denoiser: (xt) => tf.zeros([xt.shape[0]!, width]),
        predicts: 'x0',
        variance,
      }).network(tf.zeros([2, 3]), tf.tensor1d([0, 5], 'int32'));
    expect(ask('learned', 3)).toThrow(
      'must return shape [2,6] for xt of shape [2,3] and learned variance, not [2,3]',
    );
    expect(ask('fixedSmall', 6)).toThrow('must return shape [2,3]');
  });

  it('tells the network the timesteps of a respaced schedule, as int32, and the condition', () => {
    const told: number[] = [];
    const labels = tf.tensor1d([4, 2], 'int32');
    const reverse = reverseProcess({
      forward: gaussianDiffusion(respace(linear({ steps: 1000 }), [3, 2])),
      denoiser: (xt, t, condition) => {
        told.push(...t.dataSync());
        expect(t.dtype).toBe('int32');
        expect(condition?.labels).toBe(labels);
        return tf.clone(xt);
      },
      predicts: 'epsilon',
      variance: 'fixedSmall',
    });
    reverse.network(tf.zeros([2, 1]), tf.tensor1d([1, 4], 'int32'), { labels });
    expect(told).toEqual([250, 999]);
  });

  it('asks the network once a question, and not at all when the output is given', () => {
    let asked = 0;
    const denoiser: Denoiser = (xt) => {
      asked += 1;
      return tf.mul(xt, 0.5);
    };
    const reverse = reverseProcess({ forward, denoiser, predicts: 'v', variance: 'fixedSmall' });
    const xt = tf.ones([4, 2]);
    const output = reverse.network(xt, indices());
    const given = reverse.transition(xt, indices(), undefined, output);
    reverse.predict(xt, indices(), undefined, output);
    expect(asked).toBe(1);
    expectAllClose(given.mean, reverse.transition(xt, indices()).mean);
    reverse.predict(xt, indices());
    expect(asked).toBe(3);
  });

  it('refuses a t that would broadcast, before the network is asked', () => {
    const reverse = reverseProcess({ forward, denoiser: never, predicts: 'v', variance: 'fixedSmall' });
    const one = tf.tensor1d([0], 'int32');
    const xt = tf.zeros([2, 3]);
    expect(() => reverse.network(xt, one)).toThrow('one timestep per example of xt');
    expect(() => reverse.transition(xt, one)).toThrow('one timestep per example of xt');
    expect(() => reverse.predict(xt, one)).toThrow('one timestep per example of xt');
    expect(() => reverse.target(xt, xt, one, xt)).toThrow('one timestep per example of x0');
  });

  it('leaves no tensor behind, and neither the output nor its own inputs are touched', async () => {
    const xt = rng(3).normal([4, 3]);
    const t = indices();
    for (const predicts of predictions) {
      for (const variance of variances) {
        const denoiser: Denoiser = (x) => tf.tile(x, [1, variance.startsWith('learned') ? 2 : 1]);
        const reverse = reverseProcess({
          forward,
          denoiser,
          predicts,
          variance,
          clip: variance === 'learned',
        });
        const output = reverse.network(xt, t);
        await expectNoLeak(() => reverse.network(xt, t));
        await expectNoLeak(() => reverse.predict(xt, t));
        await expectNoLeak(() => reverse.predict(xt, t, undefined, output));
        await expectNoLeak(() => reverse.transition(xt, t));
        await expectNoLeak(() => reverse.transition(xt, t, undefined, output));
        await expectNoLeak(() => reverse.target(xt, xt, t, xt));
        expect(output.prediction.isDisposed || xt.isDisposed || t.isDisposed).toBe(false);
      }
    }
  });
});
