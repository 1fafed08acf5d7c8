import { valueAndGrad } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { hybrid, type Loss, simple, variationalBound } from '../src/index.js';
import { expectGradient } from './finite-differences.js';
import { images, parametrised, params, total } from './setting.js';

onEachBackend(() => {
  const network = parametrised('epsilon', 'learnedRange');
  const tensors = () => Object.fromEntries(Object.entries(params).map(([name, x]) => [name, tf.scalar(x)]));
  const gradients = (loss: Loss) => {
    const { x0, t, noise } = images();
    return valueAndGrad((p) => total(loss(network(p), x0, t, noise).perExample))(tensors()).grads;
  };

  it('is L_simple plus λ times the number of steps times the bound’s term, and returns both', () => {
    const { x0, t, noise } = images();
    const reverse = network(tensors());
    const { perExample, simple: error, bound } = hybrid({ lambda: 0.25 })(reverse, x0, t, noise);
    expectAllClose(error!, simple()(reverse, x0, t, noise).perExample);
    expectAllClose(bound!, variationalBound()(reverse, x0, t, noise).perExample);
    expectAllClose(perExample, tf.add(error!, tf.mul(bound!, 0.25 * 20)));
  });

  it('teaches the mean by L_simple alone, and the variance by the bound alone', () => {
    const [both, error, bound] = [hybrid({ lambda: 0.25 }), simple(), variationalBound()].map(gradients);
    expectAllClose(both!.gain!, error!.gain!);
    expectAllClose(both!.bend!, error!.bend!);
    expectAllClose(both!.level!, tf.mul(bound!.level!, 5));
    expectAllClose(both!.tilt!, tf.mul(bound!.tilt!, 5));
    expect(Math.abs(bound!.level!.dataSync()[0]!)).toBeGreaterThan(1e-3);
    expect(Math.abs(bound!.gain!.dataSync()[0]!)).toBeGreaterThan(1e-3);
  });

  it('has the gradient of finite differences in what teaches the variance', () => {
    const { x0, t, noise } = images();
    const { level, tilt, gain, bend } = params;
    expectGradient(
      (p) =>
        total(
          hybrid()(network({ ...p, gain: tf.scalar(gain), bend: tf.scalar(bend) }), x0, t, noise).perExample,
        ),
      { level, tilt },
    );
  });

  it('asks the network once', () => {
    const { x0, t, noise } = images();
    let asked = 0;
    const reverse = network(tensors());
    hybrid()(
      {
        ...reverse,
        network: (...question) => {
          asked += 1;
          return reverse.network(...question);
        },
      },
      x0,
      t,
      noise,
    );
    expect(asked).toBe(1);
  });

  it('refuses a fixed variance, which it could not teach', () => {
    const { x0, t, noise } = images();
    expect(() => hybrid()(parametrised('v', 'fixedSmall')(tensors()), x0, t, noise)).toThrow(
      "must be 'learned' or 'learnedRange', not 'fixedSmall'",
    );
  });

  it('leaves no tensor behind', async () => {
    const { x0, t, noise } = images();
    const reverse = network(tensors());
    await expectNoLeak(() => hybrid()(reverse, x0, t, noise));
    const p = tensors();
    await expectNoLeak(() => {
      const { value, grads } = valueAndGrad((q) => total(hybrid()(network(q), x0, t, noise).perExample))(p);
      return [value, ...Object.values(grads)];
    });
  });
});
