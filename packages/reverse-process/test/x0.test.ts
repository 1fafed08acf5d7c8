import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { cosine, rescaleToZeroTerminalSnr } from '@diffusion-ts/schedules';
import { rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { vFromX0, x0FromEpsilon, x0FromPrevious, x0FromV } from '../src/index.js';

const schedule = cosine({ steps: 20 });

onEachBackend(() => {
  const example = (s = schedule) => {
    const forward = gaussianDiffusion(s);
    const t = tf.range(0, 20, 1, 'int32');
    const x0 = rng(1).normal([20, 2, 3]);
    const epsilon = rng(2).normal([20, 2, 3]);
    const xt = forward.sample(x0, t, epsilon);
    return { forward, t, x0, epsilon, xt };
  };
  // 1/√ᾱ multiplies the rounding of x_t; at the last of these steps it is 406.
  const rounding = { relative: 1e-5, absolute: 1e-4 };

  it('x_0 comes back from the noise that made x_t', () => {
    const { t, x0, epsilon, xt } = example();
    expectAllClose(x0FromEpsilon(schedule, xt, t, epsilon), x0, rounding);
  });

  it('x_0 comes back from v, at zero terminal SNR too', () => {
    for (const s of [schedule, rescaleToZeroTerminalSnr(schedule)]) {
      const { t, x0, epsilon, xt } = example(s);
      expectAllClose(x0FromV(s, xt, t, vFromX0(s, x0, t, epsilon)), x0, { relative: 1e-5, absolute: 1e-6 });
    }
  });

  it('x_0 comes back from the posterior mean', () => {
    const { forward, t, x0, xt } = example();
    const { mean } = forward.posterior(x0, xt, t);
    expectAllClose(x0FromPrevious(schedule, xt, t, mean), x0, rounding);
  });

  it('there is no x_0 in pure noise: at ᾱ = 0 it is not finite', () => {
    const s = rescaleToZeroTerminalSnr(schedule);
    const x = tf.ones([1, 1]);
    expect(x0FromEpsilon(s, x, tf.tensor1d([19], 'int32'), x).dataSync()[0]).toBeNaN();
  });

  it('leaves no tensor behind', async () => {
    const { t, xt } = example();
    for (const f of [x0FromEpsilon, x0FromV, x0FromPrevious])
      await expectNoLeak(() => f(schedule, xt, t, xt));
  });
});
