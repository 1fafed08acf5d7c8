import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { edmPrediction, fixedSmall, reverseProcess, x0Prediction } from '@diffusion-ts/reverse-process';
import { cosine, type NoiseSchedule, rectified, varianceExploding } from '@diffusion-ts/schedules';
import { type Params, perExampleTensor, rng, valueAndGrad } from '@diffusion-ts/tensor';
import { expectAllClose, onEachBackend, useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Loss, simple, uncertainty, withUncertainty } from '../src/index.js';

const SCHEDULES: Readonly<Record<string, NoiseSchedule>> = {
  'a discrete': cosine({ steps: 64 }),
  'the straight': rectified(),
  "EDM's": varianceExploding(),
};

/** Times from the least noise to the most, evenly in log-SNR as far as that is finite. */
function timesOf(schedule: NoiseSchedule, count: number): Float64Array {
  const { logSnr: first } = schedule.level(schedule.least);
  const last = Math.max(schedule.level(schedule.end).logSnr, -first);
  return Float64Array.from({ length: count }, (_, i) =>
    Math.min(schedule.timeOf(first + ((last - first) * i) / (count - 1)), schedule.end),
  );
}

describe('on cpu', () => {
  beforeAll(() => useBackend('cpu'));

  for (const [name, schedule] of Object.entries(SCHEDULES)) {
    test(`what is learned is the logarithm of the loss at every level of ${name} schedule, which then is 1 at each`, () => {
      const t = timesOf(schedule, 48);
      const { logSnr: spread } = schedule.level(schedule.least);
      // From e² where there is little noise to e^−3 where there is much.
      const known = (time: number): number =>
        Math.exp(2.5 * Math.tanh(schedule.level(time).logSnr / spread) - 0.5);
      const expected = Array.from(t, (time) => Math.log(known(time)));
      const toy: Loss<{ readonly forward: { readonly schedule: NoiseSchedule } }> = () => ({
        perExample: perExampleTensor(Float64Array.from(t, known), t.length),
      });
      const [x0, noise] = [tf.zeros([48, 1]), tf.zeros([48, 1])];
      const of = (params: Params) =>
        withUncertainty(toy)({ reverse: { forward: { schedule }, params }, x0, t, noise });
      let params = uncertainty.init();
      const step = valueAndGrad((params) => tf.mean(of(params).perExample));
      for (let s = 0; s < 200; s++) {
        const { value, grads } = step(params);
        const [name] = Object.keys(params) as [string];
        const next = { [name]: tf.tidy(() => tf.sub(params[name]!, tf.mul(grads[name]!, 0.3))) };
        tf.dispose([value, grads, params]);
        params = next;
      }
      const { perExample, error } = of(params);
      // L/e^u + u = 1 + ln L there.
      expectAllClose(
        perExample,
        expected.map((ln) => 1 + ln),
        { relative: 0, absolute: 0.02 },
      );
      expectAllClose(error!, [...t].map(known), { relative: 1e-6 });
      tf.dispose([params, perExample, error!, x0, noise]);
    });
  }
});

onEachBackend(() => {
  const forward = gaussianDiffusion(varianceExploding());
  const reverseOf = (params: Params) => ({
    ...reverseProcess({
      forward,
      denoiser: (xt) => tf.mul(xt, params.gain!),
      predicts: edmPrediction(),
      variance: fixedSmall,
    }),
    params,
  });
  const examples = () => ({
    x0: rng(1).normal([5, 3]),
    t: Float64Array.of(0.01, 0.2, 1, 7, 80),
    noise: rng(2).normal([5, 3]),
  });

  test('with u = 0 it is the loss that it is made of, and its gradient for the network is that', () => {
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      const params = { gain: tf.scalar(0.3), ...uncertainty.init() };
      const context = examples();
      const gradient = (loss: Loss<ReturnType<typeof reverseOf>>) =>
        valueAndGrad((params) => tf.sum(loss({ reverse: reverseOf(params), ...context }).perExample))(params);
      const [plain, balanced] = [gradient(simple()), gradient(withUncertainty(simple()))];
      expectAllClose(balanced.value, plain.value.dataSync()[0]!, { relative: 1e-6 });
      expectAllClose(balanced.grads.gain!, plain.grads.gain!.dataSync()[0]!, { relative: 1e-6 });
      expect(Math.abs(plain.grads.gain!.dataSync()[0]!)).toBeGreaterThan(0.1);
    });
    expect(tf.memory().numTensors).toBe(before);
  });

  test('where u = c an error weighs e^−c, and the loss is c more', () => {
    tf.tidy(() => {
      // The first of the cosines is 1.
      const weight = tf.pad(tf.fill([1, 1], 0.7), [
        [0, 31],
        [0, 0],
      ]);
      const reverse = reverseOf({ gain: tf.scalar(0.3), 'uncertainty.weight': weight });
      const { perExample, error } = withUncertainty(simple())({ reverse, ...examples() });
      const expected = Array.from(error!.dataSync(), (loss) => loss * Math.exp(-0.7) + 0.7);
      expectAllClose(perExample, expected, { relative: 1e-6 });
    });
  });

  test('is finite at the data’s side and where no signal is left', () => {
    tf.tidy(() => {
      const straight = gaussianDiffusion(rectified());
      const params = { 'uncertainty.weight': tf.tidy(() => rng(3).normal([32, 1])) };
      const reverse = {
        ...reverseProcess({
          forward: straight,
          denoiser: (xt) => tf.zerosLike(xt),
          predicts: x0Prediction,
          variance: fixedSmall,
        }),
        params,
      };
      const context = {
        x0: rng(1).normal([2, 3]),
        t: Float64Array.of(1e-9, 1),
        noise: rng(2).normal([2, 3]),
      };
      const { perExample, error } = withUncertainty(simple())({ reverse, ...context });
      // All cosines are ±1 at the ends: Σ w at the data, Σ (−1)^k w at the noise.
      const w = [...params['uncertainty.weight'].dataSync()];
      const u = [-1, 1].map((sign) => w.reduce((sum, value, k) => sum + value * sign ** k, 0));
      const expected = Array.from(error!.dataSync(), (loss, i) => loss * Math.exp(-u[i]!) + u[i]!);
      expectAllClose(perExample, expected, { relative: 1e-4 });
    });
  });
});
