import { reverseProcess } from '@diffusion-ts/reverse-process';
import { cosine, rescaleToZeroTerminalSnr } from '@diffusion-ts/schedules';
import { expectAllClose, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { minSnr, p2, simple, uniform, x0Snr } from '../src/index.js';
import { forward, images, schedule } from './setting.js';

const { snr } = schedule;

it('uniform weighs every timestep 1', () => {
  expect([...uniform(schedule, 'v')]).toEqual(new Array(20).fill(1));
});

it('min-SNR-γ has the three forms of the paper', () => {
  expectAllClose(
    minSnr(5)(schedule, 'x0'),
    snr.map((s) => Math.min(s, 5)),
  );
  expectAllClose(
    minSnr(5)(schedule, 'epsilon'),
    snr.map((s) => Math.min(s, 5) / s),
  );
  expectAllClose(
    minSnr(5)(schedule, 'v'),
    snr.map((s) => Math.min(s, 5) / (s + 1)),
  );
});

it('P2 weighs ε by 1/(k + SNR)^γ, and by nothing at γ = 0', () => {
  expectAllClose(
    p2({ k: 2, gamma: 0.5 })(schedule, 'epsilon'),
    snr.map((s) => 1 / Math.sqrt(2 + s)),
  );
  expectAllClose(p2({ gamma: 0 })(schedule, 'epsilon'), uniform(schedule, 'epsilon'));
});

it('weights are finite at zero terminal SNR, where the data have no say', () => {
  const dark = rescaleToZeroTerminalSnr(cosine({ steps: 20 }));
  for (const weighting of [minSnr(5), p2(), x0Snr]) {
    for (const predicts of ['x0', 'v', 'previous'] as const) {
      expect(weighting(dark, predicts)[19]).toBe(0);
    }
  }
});

it('refuses parameters that would divide by zero or turn the loss around', () => {
  expect(() => minSnr(0)).toThrow(new RangeError('gamma must be positive, not 0'));
  expect(() => p2({ k: 0 })).toThrow(new RangeError('k must be positive, not 0'));
  expect(() => p2({ gamma: -1 })).toThrow(new RangeError('gamma must not be negative, not -1'));
});

onEachBackend(() => {
  it.each([
    ['min-SNR-γ', minSnr(5)],
    ['P2', p2()],
    ['x0-SNR', x0Snr],
  ] as const)('%s is the same loss whatever the network predicts', (_, weighting) => {
    const { x0, t, noise } = images();
    const xt = forward.sample(x0, t, noise);
    const wrong = tf.mul(x0, 0.5);
    const epsilon = reverseProcess({
      forward,
      denoiser: () => tf.clone(wrong),
      predicts: 'x0',
      variance: 'fixedSmall',
    }).predict(xt, t).epsilon;
    const losses = (['x0', 'epsilon', 'v', 'previous'] as const).map((predicts) => {
      // Four networks that believe in the same wrong x_0, each in its own words.
      const reverse = reverseProcess({
        forward,
        denoiser: (x, told) => reverse.target(wrong, x, told, epsilon),
        predicts,
        variance: 'fixedSmall',
      });
      return simple({ weighting })(reverse, x0, t, noise).perExample;
    });
    const expected = tf.mul(
      tf.mean(tf.square(tf.sub(x0, wrong)), [1, 2, 3]),
      tf.gather(tf.tensor1d(Float32Array.from(weighting(schedule, 'x0'))), t),
    );
    for (const loss of losses) expectAllClose(loss, expected, { relative: 1e-3, absolute: 1e-7 });
  });
});
