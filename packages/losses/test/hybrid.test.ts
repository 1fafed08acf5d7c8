import {
  epsilonPrediction,
  fixedSmall,
  learnedRange,
  learnedVariance,
  vPrediction,
} from '@diffusion-ts/reverse-process';
import { continuous } from '@diffusion-ts/schedules';
import { valueAndGrad } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { huber, hybrid, type Loss, minSnr, simple, tanhDecoder, variationalBound } from '../src/index.js';
import { expectGradient } from './finite-differences.js';
import { forward, images, later, parametrised, params, scalars, total } from './setting.js';

onEachBackend(() => {
  const network = parametrised(epsilonPrediction, learnedRange);
  const decoder = tanhDecoder;
  const gradients = (loss: Loss) => {
    const batch = images();
    return valueAndGrad((p) => total(loss({ reverse: network(p), ...batch }).perExample))(scalars()).grads;
  };

  it('is L_simple plus λ times the number of steps times the bound’s term, and returns both', () => {
    const context = { reverse: network(scalars()), ...images() };
    for (const options of [{}, { norm: huber, weighting: minSnr(), decoder }]) {
      const { perExample, simple: error, bound } = hybrid({ lambda: 0.25, ...options })(context);
      expectAllClose(error!, simple(options)(context).perExample);
      expectAllClose(bound!, variationalBound(options)(context).perExample);
      expectAllClose(perExample, tf.add(error!, tf.mul(bound!, 0.25 * 20)));
    }
  });

  it('weighs the bound of 20 steps by 0.02 unless told otherwise', () => {
    const { perExample, simple: error, bound } = hybrid()({ reverse: network(scalars()), ...images() });
    expectAllClose(perExample, tf.add(error!, tf.mul(bound!, 0.02)));
  });

  it('teaches the mean by L_simple alone, and the variance by the bound alone', () => {
    const losses = [hybrid({ lambda: 0.25, decoder }), simple(), variationalBound({ decoder })];
    const [both, error, bound] = losses.map(gradients);
    expectAllClose(both!.gain!, error!.gain!);
    expectAllClose(both!.bend!, error!.bend!);
    expectAllClose(both!.level!, tf.mul(bound!.level!, 5));
    expectAllClose(both!.tilt!, tf.mul(bound!.tilt!, 5));
    expect(Math.abs(bound!.level!.dataSync()[0]!)).toBeGreaterThan(1e-3);
    expect(Math.abs(bound!.gain!.dataSync()[0]!)).toBeGreaterThan(1e-3);
  });

  it('has the gradient of finite differences in what teaches the variance', () => {
    const batch = images();
    const { level, tilt } = params;
    const { gain, bend } = scalars();
    for (const options of [{}, { decoder }]) {
      expectGradient(
        (p) =>
          total(
            hybrid(options)({ reverse: network({ ...p, gain: gain!, bend: bend! }), ...batch }).perExample,
          ),
        { level, tilt },
      );
    }
  });

  it('asks the network once', () => {
    let asked = 0;
    const reverse = network(scalars());
    const { denoiser } = reverse;
    hybrid()({
      reverse: {
        ...reverse,
        denoiser: (...question) => {
          asked += 1;
          return denoiser(...question);
        },
      },
      ...images(),
    });
    expect(asked).toBe(1);
  });

  it('refuses a fixed variance, which it could not teach', () => {
    const reverse = parametrised(vPrediction, fixedSmall)(scalars());
    expect(() => hybrid()({ reverse, ...images() })).toThrow(
      new RangeError(
        'the hybrid loss teaches the variance, which must be learnedVariance or learnedRange, not fixedSmall',
      ),
    );
  });

  it('refuses a schedule of continuous time, and leaves nothing behind', () => {
    const batch = images();
    const reverse = {
      ...network(scalars()),
      forward: { ...forward, schedule: continuous((u) => 8 - 16 * u) },
    };
    const before = tf.memory().numTensors;
    expect(() => hybrid()({ reverse, ...batch, t: 0.5 })).toThrow(
      new RangeError('the bound has one term a step, and a schedule of continuous time has no steps'),
    );
    expect(tf.memory().numTensors).toBe(before);
  });

  it('refuses a network that answers later, and leaves nothing of it behind', async () => {
    const batch = images();
    const reverse = {
      ...network(scalars()),
      denoiser: later((xt) => tf.concat([xt, xt], -1)),
    };
    const before = tf.memory().numTensors;
    expect(() => hybrid()({ reverse, ...batch })).toThrow(TypeError);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(tf.memory().numTensors).toBe(before);
  });

  it('leaves no tensor behind', async () => {
    const batch = images();
    const p = scalars();
    for (const variance of [learnedRange, learnedVariance]) {
      const learned = parametrised(epsilonPrediction, variance);
      const reverse = learned(p);
      await expectNoLeak(() => hybrid({ decoder })({ reverse, ...batch }));
      await expectNoLeak(() => {
        const { value, grads } = valueAndGrad((q) =>
          total(hybrid({ decoder })({ reverse: learned(q), ...batch }).perExample),
        )(p);
        return [value, ...Object.values(grads)];
      });
    }
  });
});
