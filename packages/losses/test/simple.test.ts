import { reverseProcess } from '@diffusion-ts/reverse-process';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { minSnr, simple, type Weighting } from '../src/index.js';
import { expectGradient } from './finite-differences.js';
import { forward, images, parametrised, params, total } from './setting.js';

onEachBackend(() => {
  /** The loss of a network whose predictions are off by exactly `offset`, example by example. */
  const lossAtOffset = (offset: tf.Tensor, options: Parameters<typeof simple>[0]): tf.Tensor1D => {
    const { x0, t, noise } = images();
    const reverse = reverseProcess({
      forward,
      denoiser: () => tf.add(noise, offset),
      predicts: 'epsilon',
      variance: 'fixedSmall',
    });
    return simple(options)(reverse, x0, t, noise).perExample;
  };
  const offsets = () => tf.tensor([0.5, -1, 3, -0.1], [4, 1, 1, 1]);

  it('l2 is the square of the error, l1 its size, and Huber’s square up to 1 and line beyond', () => {
    const close = { absolute: 1e-6 };
    expectAllClose(lossAtOffset(offsets(), {}), [0.25, 1, 9, 0.01], close);
    expectAllClose(lossAtOffset(offsets(), { norm: 'l1' }), [0.5, 1, 3, 0.1], close);
    expectAllClose(lossAtOffset(offsets(), { norm: 'huber' }), [0.125, 0.5, 2.5, 0.005], close);
  });

  it('averages over the components of an example', () => {
    const offset = tf.tensor([3, 0], [1, 1, 1, 2]);
    expectAllClose(lossAtOffset(offset, {}), [4.5, 4.5, 4.5, 4.5], { absolute: 1e-5 });
  });

  it('multiplies each example by the weight of its timestep', () => {
    const weighting: Weighting = (schedule) => schedule.betas.map((_, t) => t + 1);
    // The timesteps are 0, 1, 11 and 19.
    expectAllClose(lossAtOffset(offsets(), { weighting }), [0.25, 2, 108, 0.2], { relative: 1e-5 });
  });

  it('asks the network once, at the x_t of the forward process, with the condition', () => {
    const { x0, t, noise } = images();
    const labels = tf.tensor1d([1, 2, 3, 4], 'int32');
    let asked = 0;
    const reverse = reverseProcess({
      forward,
      denoiser: (xt, told, condition) => {
        asked += 1;
        expectAllClose(xt, forward.sample(x0, t, noise));
        expectAllClose(told, t);
        expect(condition?.labels).toBe(labels);
        return tf.clone(xt);
      },
      predicts: 'v',
      variance: 'fixedSmall',
    });
    simple()(reverse, x0, t, noise, { labels });
    expect(asked).toBe(1);
  });

  it.each(['l2', 'huber'] as const)(
    '%s has the gradient of finite differences for every prediction',
    (norm) => {
      const { x0, t, noise } = images();
      const { gain, bend } = params;
      for (const predicts of ['epsilon', 'x0', 'v', 'previous'] as const) {
        const network = parametrised(predicts, 'fixedSmall');
        const loss = simple({ norm, weighting: minSnr(5) });
        expectGradient((p) => total(loss(network(p), x0, t, noise).perExample), { gain, bend });
      }
    },
  );

  it('l1 has the sign of the error as its gradient', () => {
    const { x0, t, noise } = images();
    const slope = tf.grad((offset: tf.Tensor) => {
      const reverse = reverseProcess({
        forward,
        denoiser: () => tf.add(noise, offset),
        predicts: 'epsilon',
        variance: 'fixedSmall',
      });
      return tf.sum(simple({ norm: 'l1' })(reverse, x0, t, noise).perExample);
    })(offsets());
    expectAllClose(slope, [1, -1, 1, -1]);
  });

  it('leaves no tensor behind', async () => {
    const { x0, t, noise } = images();
    const reverse = reverseProcess({
      forward,
      denoiser: (xt) => tf.mul(xt, 0.5),
      predicts: 'v',
      variance: 'fixedSmall',
    });
    for (const norm of ['l2', 'l1', 'huber'] as const) {
      await expectNoLeak(() => simple({ norm })(reverse, x0, t, noise));
    }
  });
});
