import { reverseProcess } from '@diffusion-ts/reverse-process';
import { valueAndGrad } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { it } from 'vitest';
import { variationalBound } from '../src/index.js';
import { expectGradient } from './finite-differences.js';
import { forward, images, parametrised, params, schedule, total } from './setting.js';

onEachBackend(() => {
  it('is c² (x_0 − x̂_0)² / 2σ² nats, c the factor of x_0 in the posterior mean, where the variance is β̃', () => {
    const { x0, t, noise } = images();
    const wrong = 0.01;
    const reverse = reverseProcess({
      forward,
      denoiser: () => tf.add(x0, wrong),
      predicts: 'x0',
      variance: 'fixedSmall',
    });
    const bits = variationalBound()(reverse, x0, t, noise).perExample.dataSync();
    const expected = [1, 11, 19].map(
      (i) =>
        (schedule.posteriorMeanCoefX0[i]! * wrong) ** 2 / (2 * schedule.posteriorVariance[i]!) / Math.LN2,
    );
    expectAllClose(bits.slice(1), expected, { relative: 1e-3, absolute: 1e-9 });
  });

  it('at index 0 is −log₂ of the density of x_0 with the gaussian decoder', () => {
    const { x0, t, noise } = images();
    const variance = schedule.posteriorVariance[1]!;
    const reverse = reverseProcess({
      forward,
      denoiser: () => tf.add(x0, Math.sqrt(variance)),
      predicts: 'x0',
      variance: 'fixedSmall',
    });
    const [first] = variationalBound({ decoder: 'gaussian' })(reverse, x0, t, noise).perExample.dataSync();
    expectAllClose(first!, 0.5 * Math.log2(2 * Math.PI * Math.E * variance), { relative: 1e-4 });
  });

  it.each(['tanh', 'erf', 'gaussian'] as const)(
    'has the gradient of finite differences with the %s decoder, learned variance or fixed',
    (decoder) => {
      const { x0, t, noise } = images();
      const loss = variationalBound({ decoder });
      for (const predicts of ['epsilon', 'x0', 'v', 'previous'] as const) {
        for (const variance of ['fixedLarge', 'learned', 'learnedRange'] as const) {
          const network = parametrised(predicts, variance);
          const { gain, bend } = params;
          expectGradient(
            (p) => total(loss(network(p), x0, t, noise).perExample),
            variance === 'fixedLarge' ? { gain, bend } : params,
            { relative: 5e-3, absolute: 5e-3 },
          );
        }
      }
    },
  );

  it('an overflow in the branch that is not taken does not come back in the gradient', () => {
    const { x0, noise } = images();
    const t = tf.tensor1d([0, 0, 0, 0], 'int32');
    // The KL divides by σ² = e⁻¹⁰⁰, which float32 does not have; at index 0 it is not asked for.
    const { value, grads } = valueAndGrad(({ gain, level }) => {
      const reverse = reverseProcess({
        forward,
        denoiser: (xt) => tf.concat([tf.mul(xt, gain!), tf.add(tf.mul(xt, 0), level!)], -1),
        predicts: 'x0',
        variance: 'learned',
      });
      return total(variationalBound()(reverse, x0, t, noise).perExample);
    })({ gain: tf.scalar(0.5), level: tf.scalar(-100) });
    // Every bin is missed and counts as 1e-12, whatever the parameters.
    expectAllClose(value, 4 * Math.log2(1e12));
    expectAllClose(grads.gain!, 0);
    expectAllClose(grads.level!, 0);
  });

  it('leaves no tensor behind', async () => {
    const { x0, t, noise } = images();
    for (const variance of ['fixedSmall', 'learnedRange'] as const) {
      const reverse = reverseProcess({
        forward,
        denoiser: (xt) => tf.tile(xt, [1, 1, 1, variance === 'fixedSmall' ? 1 : 2]),
        predicts: 'epsilon',
        variance,
      });
      await expectNoLeak(() => variationalBound()(reverse, x0, t, noise));
    }
  });
});
