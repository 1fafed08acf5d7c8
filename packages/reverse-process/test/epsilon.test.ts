import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { cosine, rescaleToZeroTerminalSnr } from '@diffusion-ts/schedules';
import { rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { it } from 'vitest';
import { epsilonFromV, epsilonFromX0, vFromX0 } from '../src/index.js';

const schedule = rescaleToZeroTerminalSnr(cosine({ steps: 20 }));

onEachBackend(() => {
  const example = () => {
    const t = tf.range(0, 20, 1, 'int32');
    const x0 = rng(1).normal([20, 2, 3]);
    const epsilon = rng(2).normal([20, 2, 3]);
    const xt = gaussianDiffusion(schedule).sample(x0, t, epsilon);
    return { t, x0, epsilon, xt };
  };

  it('the noise that made x_t comes back from x_0, pure noise included', () => {
    const { t, x0, epsilon, xt } = example();
    expectAllClose(epsilonFromX0(schedule, xt, t, x0), epsilon, { absolute: 1e-5 });
  });

  it('the noise that made x_t comes back from v, pure noise included', () => {
    const { t, x0, epsilon, xt } = example();
    expectAllClose(epsilonFromV(schedule, xt, t, vFromX0(schedule, x0, t, epsilon)), epsilon);
  });

  it('leaves no tensor behind', async () => {
    const { t, xt } = example();
    for (const f of [epsilonFromX0, epsilonFromV]) await expectNoLeak(() => f(schedule, xt, t, xt));
  });
});
