import { linear, rescaleToZeroTerminalSnr } from '@diffusion-ts/schedules';
import { rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { ddim } from '../src/ddim.js';
import { ddimInversion } from '../src/ddim-inversion.js';
import { exact, exactProcess, finish } from './gaussian-data.js';

const s2 = 0.25;

onEachBackend(() => {
  test('from x_0 to x_T and back returns to x_0, with an error of first order in the steps', async () => {
    const errors: number[] = [];
    for (const steps of [50, 100, 200]) {
      const reverse = exactProcess(linear({ steps }), s2, 'epsilon');
      const x0 = tf.tensor2d([[1]]);
      const xT = await finish(ddimInversion()(reverse, x0, { rng: rng(1) }));
      const back = await finish(ddim()(reverse, xT, { rng: rng(1) }));
      errors.push(Math.abs(back.dataSync()[0]! - 1));
      tf.dispose([x0, xT, back]);
    }
    expect(errors[2]).toBeLessThan(0.02);
    expect(Math.log2(errors[0]! / errors[1]!)).toBeCloseTo(1, 1);
    expect(Math.log2(errors[1]! / errors[2]!)).toBeCloseTo(1, 1);
  });

  test('it converges to the exact probability-flow map from x_0 to x_T', async () => {
    const schedule = linear({ steps: 400 });
    const x0 = tf.tensor2d([[1, -0.5]]);
    const xT = await finish(ddimInversion()(exactProcess(schedule, s2, 'v'), x0, { rng: rng(1) }));
    const map = Math.sqrt(exact(schedule.alphaBars.at(-1)!, s2).marginal / s2);
    expectAllClose(xT, [map, -0.5 * map], { relative: 1e-2 });
    tf.dispose([x0, xT]);
  });

  test('it visits the steps that the sampler visits, smallest first', async () => {
    const reverse = exactProcess(linear({ steps: 40 }), s2, 'epsilon');
    const x0 = tf.ones([1, 2]);
    const there: number[] = [];
    const back: number[] = [];
    for await (const { t } of ddimInversion({ steps: 6 })(reverse, x0, { rng: rng(1) })) there.push(t);
    for await (const { t } of ddim({ steps: 6 })(reverse, x0, { rng: rng(1) })) back.push(t);
    expect(there).toEqual(back.toReversed());
    x0.dispose();
  });

  test('on a schedule of zero terminal SNR x_T has the scale of the noise', async () => {
    const schedule = rescaleToZeroTerminalSnr(linear({ steps: 400 }));
    const x0 = tf.tensor2d([[0.5]]);
    const xT = await finish(ddimInversion()(exactProcess(schedule, s2, 'v'), x0, { rng: rng(1) }));
    // One standard deviation of the data becomes one of the noise.
    expectAllClose(xT, [1], { relative: 2e-2 });
    tf.dispose([x0, xT]);
  });

  test('a finished run leaves nothing behind but what it returned', async () => {
    const reverse = exactProcess(linear({ steps: 40 }), s2, 'epsilon');
    await expectNoLeak(async () => {
      const x0 = tf.ones([2, 3]);
      return [x0, await finish(ddimInversion({ steps: 4 })(reverse, x0, { rng: rng(1) }))];
    });
  });
});
