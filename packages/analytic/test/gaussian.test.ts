import { cosine, linear, respace } from '@diffusion-ts/schedules';
import { rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { gaussian } from '../src/index.js';
import { conditionalMean, logMarginal } from './quadrature.js';

const schedule = cosine({ steps: 20 });
const data = { mean: 0.4, deviation: 0.3 };
const density = (x: number): number => Math.exp(-0.5 * ((x - data.mean) / data.deviation) ** 2);

onEachBackend(() => {
  const xts = [-1.5, 0.2, 0.9];
  const at = (index: number) => ({
    xt: tf.tensor2d(xts, [3, 1]),
    t: tf.fill([3], index, 'int32') as tf.Tensor1D,
  });

  it('E[x_0 | x_t] is the mean of the posterior, found by quadrature', () => {
    for (const index of [0, 8, 19]) {
      const { xt, t } = at(index);
      const expected = xts.map((x) => conditionalMean(density, schedule.alphaBars[index]!, x));
      expectAllClose(gaussian(data).x0(schedule, xt, t), expected);
    }
  });

  it('the score is the slope of ln q(x_t), found by quadrature', () => {
    for (const index of [0, 8, 19]) {
      const { xt, t } = at(index);
      const slope = (x: number) => {
        const [above, below] = [x + 1e-4, x - 1e-4].map((y) =>
          logMarginal(density, schedule.alphaBars[index]!, y),
        );
        return (above! - below!) / 2e-4;
      };
      expectAllClose(gaussian(data).score(schedule, xt, t), xts.map(slope));
    }
  });

  it('its three denoisers say the same: x_t = √ᾱ x̂_0 + √(1 − ᾱ) ε̂ and v̂ = √ᾱ ε̂ − √(1 − ᾱ) x̂_0', () => {
    const index = 8;
    const { xt, t } = at(index);
    const say = (predicts: 'x0' | 'epsilon' | 'v') => gaussian(data).denoiser(schedule, predicts)(xt, t);
    const signal = Math.sqrt(schedule.alphaBars[index]!);
    const sigma = Math.sqrt(1 - schedule.alphaBars[index]!);
    expectAllClose(say('x0'), gaussian(data).x0(schedule, xt, t));
    expectAllClose(tf.add(tf.mul(say('x0'), signal), tf.mul(say('epsilon'), sigma)), xt);
    expectAllClose(tf.sub(tf.mul(say('epsilon'), signal), tf.mul(say('x0'), sigma)), say('v'));
  });

  it('a denoiser is told timesteps, so one schedule’s serves what it is respaced to, as does the respaced one’s', () => {
    const full = linear({ steps: 100 });
    const short = respace(full, 4);
    const { xt, t } = at(2);
    const told = tf.fill([3], short.timesteps[2]!, 'int32') as tf.Tensor1D;
    const expected = gaussian(data).x0(short, xt, t);
    expectAllClose(gaussian(data).denoiser(full, 'x0')(xt, told), expected);
    expectAllClose(gaussian(data).denoiser(short, 'x0')(xt, told), expected);
  });

  it('samples have its mean and its deviation', () => {
    const { mean, variance } = tf.moments(gaussian(data).sample(rng(1), [100, 100]));
    // Five standard errors of 10,000 numbers.
    expectAllClose(mean, data.mean, { relative: 0, absolute: (5 * data.deviation) / 100 });
    expectAllClose(tf.sqrt(variance), data.deviation, { relative: 5 / Math.sqrt(2e4), absolute: 0 });
  });

  it('DDIM converges to its flow with first order', () => {
    const error = (steps: number): number =>
      tf.tidy(() => {
        const s = linear({ steps });
        const { x0, flow } = gaussian(data);
        const xT = tf.tensor2d([-2, 0.1, 1.5], [3, 1]);
        let xt: tf.Tensor = xT;
        for (let index = steps - 1; index >= 0; index--) {
          const clean = x0(s, xt, tf.fill([3], index, 'int32') as tf.Tensor1D);
          const [alphaBar, before] = [s.alphaBars[index]!, s.alphaBarsPrev[index]!];
          const noise = tf.sub(xt, tf.mul(clean, Math.sqrt(alphaBar)));
          xt = tf.add(
            tf.mul(clean, Math.sqrt(before)),
            tf.mul(noise, Math.sqrt((1 - before) / (1 - alphaBar))),
          );
        }
        return tf.max(tf.abs(tf.sub(xt, flow(s, xT)))).dataSync()[0]!;
      });
    const [coarse, fine] = [error(50), error(100)];
    expect(fine).toBeLessThan(0.05);
    expect(Math.log2(coarse / fine)).toBeGreaterThan(0.8);
    expect(Math.log2(coarse / fine)).toBeLessThan(1.2);
  });

  it('leaves no tensor behind', async () => {
    const { xt, t } = at(3);
    const exact = gaussian(data);
    await expectNoLeak(() => exact.x0(schedule, xt, t));
    await expectNoLeak(() => exact.score(schedule, xt, t));
    await expectNoLeak(() => exact.sample(rng(1), [2, 3]));
    await expectNoLeak(() => exact.flow(schedule, xt));
    for (const predicts of ['x0', 'epsilon', 'v'] as const) {
      const denoiser = exact.denoiser(schedule, predicts);
      await expectNoLeak(() => denoiser(xt, t));
    }
  });
});

it('refuses a deviation that is not positive', () => {
  expect(() => gaussian({ mean: 0, deviation: 0 })).toThrow(
    new RangeError('deviation must be positive, not 0'),
  );
});

it('refuses to make a denoiser for timesteps that are not whole', () => {
  const odd = { ...schedule, timesteps: schedule.timesteps.map((timestep) => timestep + 0.5) };
  expect(() => gaussian(data).denoiser(odd, 'x0')).toThrow(
    'schedule.timesteps must be whole numbers, but one is 0.5',
  );
});
