import type { Gaussian } from '@diffusion-ts/forward-process';
import {
  fixedLarge,
  fixedSmall,
  flowPrediction,
  learnedRange,
  learnedVariance,
  PREDICTIONS,
  reverseProcess,
  vPrediction,
  x0Prediction,
} from '@diffusion-ts/reverse-process';
import { between, continuous } from '@diffusion-ts/schedules';
import { valueAndGrad } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { erfDecoder, logProb, tanhDecoder, variationalBound } from '../src/index.js';
import { expectGradient } from './finite-differences.js';
import { forward, images, later, parametrised, params, scalars, schedule, total } from './setting.js';

const decoders = [
  ['tanh', tanhDecoder],
  ['erf', erfDecoder],
  ['logProb', logProb],
] as const;

/** What lies between the step at t and the one before. */
const step = (t: number) => between(schedule.level(t - 1), schedule.level(t));

onEachBackend(() => {
  it('is c² (x_0 − x̂_0)² / 2σ² nats, c the factor of x_0 in the posterior mean, where the variance is β̃', () => {
    const batch = images();
    const wrong = 0.01;
    const reverse = reverseProcess({
      forward,
      denoiser: () => tf.add(batch.x0, wrong),
      predicts: x0Prediction,
      variance: fixedSmall,
    });
    const bits = variationalBound()({ reverse, ...batch }).perExample.dataSync();
    const expected = [1, 11, 19].map((t) => {
      const { ofX0, variance } = step(t);
      return (ofX0 * wrong) ** 2 / (2 * variance) / Math.LN2;
    });
    expectAllClose(bits.slice(1), expected, { relative: 1e-3, absolute: 1e-9 });
  });

  it('at index 0 is −log₂ of the density of x_0 unless another decoder is given', () => {
    const batch = images();
    const { variance } = step(1);
    const reverse = reverseProcess({
      forward,
      denoiser: () => tf.add(batch.x0, Math.sqrt(variance)),
      predicts: x0Prediction,
      variance: fixedSmall,
    });
    const [first] = variationalBound()({ reverse, ...batch }).perExample.dataSync();
    expectAllClose(first!, 0.5 * Math.log2(2 * Math.PI * Math.E * variance), { relative: 1e-4 });
    const [own] = variationalBound({
      decoder: (p, x0) => tf.mul(tf.sub(p.mean, x0), -Math.LN2 / Math.sqrt(variance)),
    })({ reverse, ...batch }).perExample.dataSync();
    expectAllClose(own!, 1, { relative: 1e-4 });
  });

  it.each(decoders)(
    'has the gradient of finite differences with the %s decoder, learned variance or fixed',
    (_, decoder) => {
      const batch = images();
      const loss = variationalBound({ decoder });
      const { flow, edm, ...others } = PREDICTIONS;
      for (const predicts of [...Object.values(others), ...(decoder === logProb ? [flow, edm] : [])]) {
        for (const variance of [fixedLarge, learnedVariance, learnedRange]) {
          const network = parametrised(predicts, variance);
          const { gain, bend } = params;
          expectGradient(
            (p) => total(loss({ reverse: network(p), ...batch }).perExample),
            variance === fixedLarge ? { gain, bend } : params,
            // Short of where a mass sinks to the floor, which is a kink.
            { step: 0.005, relative: 5e-3, absolute: 5e-3 },
          );
        }
      }
    },
  );

  describe.each(decoders)('with the %s decoder', (_, decoder) => {
    const loss = variationalBound({ decoder });

    it('an example has the same term whether others of its batch are at index 0, or all, or none', () => {
      const { x0, noise, t } = images();
      for (const [predicts, variance] of [
        [vPrediction, fixedLarge],
        [flowPrediction, learnedRange],
        [PREDICTIONS.previous, learnedVariance],
      ] as const) {
        const reverse = parametrised(predicts, variance, [1, 2, 3])(scalars());
        const mixed = loss({ reverse, x0, noise, t }).perExample.dataSync();
        t.forEach((time, i) => {
          const together = loss({ reverse, x0, noise, t: time }).perExample.dataSync();
          expectAllClose(together[i]!, mixed[i]!, { relative: 1e-6, absolute: 0 });
          const each = loss({ reverse, x0, noise, t: new Float64Array(4).fill(time) }).perExample.dataSync();
          expect([...each]).toEqual([...together]);
        });
        const none = loss({ reverse, x0, noise, t: Float64Array.of(5, 1, 11, 19) }).perExample.dataSync();
        expectAllClose(none.slice(1), mixed.slice(1), { relative: 1e-6, absolute: 0 });
        expect(none[0]).not.toBeCloseTo(mixed[0]!, 2);
      }
    });

    it('a variance of e⁻²⁰⁰ at index 0 leaves every gradient finite, and those of the others as they are', () => {
      const batch = images();
      const network = parametrised(x0Prediction, learnedVariance, [1, 2, 3]);
      const { bend, tilt } = scalars();
      const levels = (first: number) => tf.tensor([first, -3, -2, -1], [4, 1, 1, 1]);
      const gains = () => tf.tensor([0.7, 0.7, 0.7, 0.7], [4, 1, 1, 1]);
      const at = (first: number) =>
        valueAndGrad(({ gain, level }) =>
          total(
            loss({
              reverse: network({ bend: bend!, tilt: tilt!, gain: gain!, level: level! }),
              ...batch,
            }).perExample,
          ),
        )({ gain: gains(), level: levels(first) }).grads;
      const [thin, usual] = [at(-200), at(-3)];
      for (const name of ['gain', 'level'] as const) {
        const slopes = thin[name]!.dataSync();
        for (const slope of slopes) expect(slope).toSatisfy(Number.isFinite);
        expectAllClose(slopes.slice(1), usual[name]!.dataSync().slice(1), { relative: 1e-6 });
        expect(Math.abs(slopes[2]!)).toBeGreaterThan(1e-4);
      }
    });
  });

  it('an overflow in the branch that is not taken does not come back in the gradient', () => {
    const { x0, noise } = images();
    for (const t of [0, new Float64Array(4)]) {
      // The KL divides by σ² = e⁻¹⁰⁰, which float32 does not have; at index 0 it is not asked for.
      const { value, grads } = valueAndGrad(({ gain, level }) => {
        const reverse = reverseProcess({
          forward,
          denoiser: (xt) => tf.concat([tf.mul(xt, gain!), tf.add(tf.mul(xt, 0), level!)], -1),
          predicts: x0Prediction,
          variance: learnedVariance,
        });
        return total(variationalBound({ decoder: tanhDecoder })({ reverse, x0, t, noise }).perExample);
      })({ gain: tf.scalar(0.5), level: tf.scalar(-100) });
      // Every bin is missed and counts as 1e-12, whatever the parameters.
      expectAllClose(value, 4 * Math.log2(1e12));
      expectAllClose(grads.gain!, 0);
      expectAllClose(grads.level!, 0);
    }
  });

  it('asks the decoder where an example is at index 0, and for a KL where one is not', () => {
    const { x0, noise, t } = images();
    const asked: string[] = [];
    const reverse = {
      ...parametrised(vPrediction, fixedSmall)(scalars()),
      forward: {
        ...forward,
        posterior: (...question: Parameters<typeof forward.posterior>) => {
          const q = forward.posterior(...question);
          return {
            ...q,
            kl: (p: Gaussian) => {
              asked.push('kl');
              return q.kl(p);
            },
          };
        },
      },
    };
    const loss = variationalBound({
      decoder: (p, x) => {
        asked.push('decoder');
        return p.logProb(x);
      },
    });
    for (const [times, expected] of [
      [t, ['decoder', 'kl']],
      [0, ['decoder']],
      [new Float64Array(4), ['decoder']],
      [7, ['kl']],
      [Float64Array.of(7, 1, 2, 3), ['kl']],
    ] as const) {
      asked.length = 0;
      loss({ reverse, x0, noise, t: times });
      expect(asked.sort()).toEqual(expected);
    }
  });

  it('is the same whatever the network predicts, where all believe in one x_0', () => {
    const { x0, noise } = images();
    const t = Float64Array.of(0, 3, 11, 18);
    const xt = forward.sample(x0, t, noise);
    const wrong = tf.add(tf.mul(x0, 0.9), tf.mul(tf.reverse(x0, [0, 1, 2, 3]), 0.05));
    const epsilon = tf.tidy(() => {
      const [alphas, sigmas] = (['alpha', 'sigma'] as const).map((name) =>
        tf.tensor(
          Array.from(t, (time) => schedule.level(time)[name]),
          [4, 1, 1, 1],
        ),
      );
      return tf.div(tf.sub(xt, tf.mul(wrong, alphas!)), sigmas!);
    });
    const terms = Object.values(PREDICTIONS).map((predicts) => {
      const process = { forward, predicts, variance: fixedLarge };
      const reverse = reverseProcess({
        ...process,
        denoiser: () =>
          reverseProcess({ ...process, denoiser: (x) => tf.clone(x) }).target(wrong, t, epsilon),
      });
      return variationalBound()({ reverse, x0, t, noise }).perExample.dataSync();
    });
    for (const term of terms) expectAllClose(term, terms[0]!, { relative: 1e-3, absolute: 1e-6 });
  });

  it('refuses a schedule of continuous time and a time between two steps, and leaves nothing behind', () => {
    const { x0, noise } = images();
    const reverse = parametrised(vPrediction, fixedSmall)(scalars());
    const before = tf.memory().numTensors;
    expect(() => variationalBound()({ reverse, x0, noise, t: Float64Array.of(1, 2.5, 3, 4) })).toThrow(
      new RangeError('t is 2.5, expected a whole time: the bound has one term a step'),
    );
    const endless = { ...reverse, forward: { ...forward, schedule: continuous((u) => 8 - 16 * u) } };
    expect(() => variationalBound()({ reverse: endless, x0, noise, t: 0.5 })).toThrow(
      new RangeError('the bound has one term a step, and a schedule of continuous time has no steps'),
    );
    expect(tf.memory().numTensors).toBe(before);
  });

  it('refuses a network that answers later, and leaves nothing of it behind', async () => {
    const batch = images();
    const reverse = {
      ...parametrised(vPrediction, fixedSmall)(scalars()),
      denoiser: later((xt) => tf.mul(xt, 2)),
    };
    const before = tf.memory().numTensors;
    expect(() => variationalBound()({ reverse, ...batch })).toThrow(
      'the network answers with a promise, and a gradient needs its output at once',
    );
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(tf.memory().numTensors).toBe(before);
  });

  it('leaves no tensor behind', async () => {
    const batch = images();
    const p = scalars();
    for (const variance of [fixedSmall, learnedRange]) {
      const reverse = parametrised(PREDICTIONS.epsilon, variance)(p);
      for (const [, decoder] of decoders) {
        await expectNoLeak(() => variationalBound({ decoder })({ reverse, ...batch }));
        await expectNoLeak(() => variationalBound({ decoder })({ reverse, ...batch, t: 0 }));
      }
    }
  });
});
