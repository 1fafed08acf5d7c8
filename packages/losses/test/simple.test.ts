import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import {
  edmPrediction,
  epsilonPrediction,
  fixedSmall,
  PREDICTIONS,
  reverseProcess,
  vPrediction,
} from '@diffusion-ts/reverse-process';
import { continuous, varianceExploding } from '@diffusion-ts/schedules';
import { rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { huber, l1, l2, minSnr, simple, type Weighting } from '../src/index.js';
import { expectGradient } from './finite-differences.js';
import { forward, images, later, parametrised, params, scalars, schedule, total } from './setting.js';

onEachBackend(() => {
  /** The loss of a network whose predictions are off by exactly `offset`, example by example. */
  const lossAtOffset = (offset: tf.Tensor, options?: Parameters<typeof simple>[0]): tf.Tensor1D => {
    const batch = images();
    const reverse = reverseProcess({
      forward,
      denoiser: () => tf.add(batch.noise, offset),
      predicts: epsilonPrediction,
      variance: fixedSmall,
    });
    return simple(options)({ reverse, ...batch }).perExample;
  };
  const offsets = () => tf.tensor([0.5, -1, 3, -0.1], [4, 1, 1, 1]);

  it('l2 is the square of the error, l1 its size, and Huber’s half the square up to 1 and line beyond', () => {
    expectAllClose(lossAtOffset(offsets()), [0.25, 1, 9, 0.01]);
    expectAllClose(lossAtOffset(offsets(), { norm: l2 }), [0.25, 1, 9, 0.01]);
    expectAllClose(lossAtOffset(offsets(), { norm: l1 }), [0.5, 1, 3, 0.1]);
    expectAllClose(lossAtOffset(offsets(), { norm: huber }), [0.125, 0.5, 2.5, 0.005]);
  });

  it('a norm may be anyone’s', () => {
    expectAllClose(lossAtOffset(offsets(), { norm: (d) => tf.pow(d, 4) }), [0.0625, 1, 81, 1e-4]);
  });

  it('averages over the components of an example', () => {
    const offset = tf.tensor([3, 0], [1, 1, 1, 2]);
    expectAllClose(lossAtOffset(offset), [4.5, 4.5, 4.5, 4.5], { absolute: 1e-5 });
  });

  it('multiplies each example by the weight of its level and of what is predicted there', () => {
    // The times are 0, 1, 11 and 19.
    const ofTime: Weighting = ({ t }) => t + 1;
    expectAllClose(lossAtOffset(offsets(), { weighting: ofTime }), [0.25, 2, 108, 0.2]);
    const ofCoefficients: Weighting = ({ alpha }, { skip }) => alpha * skip;
    expectAllClose(lossAtOffset(offsets(), { weighting: ofCoefficients }), [0.25, 1, 9, 0.01]);
  });

  it('takes one time for the whole batch', () => {
    const { x0, noise } = images();
    const reverse = parametrised(vPrediction, fixedSmall)(scalars());
    const loss = simple({ weighting: minSnr() });
    const one = loss({ reverse, x0, noise, t: 7 }).perExample;
    const each = loss({ reverse, x0, noise, t: new Float64Array(4).fill(7) }).perExample;
    expect([...one.dataSync()]).toEqual([...each.dataSync()]);
  });

  it('takes any time of a schedule of continuous time', () => {
    const { x0, noise } = images();
    const reverse = {
      ...parametrised(vPrediction, fixedSmall)(scalars()),
      forward: { ...forward, schedule: continuous((u) => 8 - 16 * u) },
    };
    const t = Float64Array.of(0.1, 0.25, 0.7, 1);
    const weighting: Weighting = ({ logSnr }) => logSnr ** 2;
    const { perExample } = simple({ weighting })({ reverse, x0, noise, t });
    const plain = simple()({ reverse, x0, noise, t }).perExample;
    expectAllClose(perExample, tf.mul(plain, [6.4 ** 2, 16, 3.2 ** 2, 64]));
  });

  it('asks the network once, at the x_t of the forward process, with the condition', () => {
    const batch = images();
    const label = tf.tensor1d([1, 2, 3, 4], 'int32');
    let asked = 0;
    const reverse = reverseProcess({
      forward,
      denoiser: (xt, told, condition) => {
        asked += 1;
        expectAllClose(xt, forward.sample(batch.x0, batch.t, batch.noise));
        expectAllClose(told, batch.t);
        expect(condition?.label).toBe(label);
        return tf.clone(xt);
      },
      predicts: vPrediction,
      variance: fixedSmall,
    });
    simple()({ reverse, ...batch, condition: { label } });
    expect(asked).toBe(1);
  });

  it('tells the network what the prediction tells, and scales its input', () => {
    const batch = images();
    const predicts = edmPrediction({ sigmaData: 0.7 });
    const at = Array.from(batch.t, (t) => predicts.at(schedule.level(t), schedule));
    let asked = 0;
    const reverse = reverseProcess({
      forward,
      denoiser: (input, told) => {
        asked += 1;
        const scales = tf.tensor(
          at.map((coefficients) => coefficients.in!),
          [4, 1, 1, 1],
        );
        expectAllClose(input, tf.mul(forward.sample(batch.x0, batch.t, batch.noise), scales));
        expectAllClose(
          told,
          at.map((coefficients) => coefficients.told!),
        );
        return tf.clone(input);
      },
      predicts,
      variance: fixedSmall,
    });
    simple()({ reverse, ...batch });
    expect(asked).toBe(1);
  });

  it.each([0.5, 1.3])(
    'of what EDM predicts it is λ(σ) ‖D(x; σ) − x_0‖², for data of deviation %s',
    (data) => {
      // Table 1 of Karras et al. 2022, every number in float64: D = c_skip x + c_out F(c_in x; c_noise), λ = 1/c_out².
      const sigmas = Float64Array.of(0.002, 0.1, 0.8, 3, 80);
      const [x0, noise] = [rng(5).normal([5, 6]), rng(6).normal([5, 6])];
      const network = (x: number, told: number): number => Math.sin(3 * x) + told;
      const reverse = reverseProcess({
        forward: gaussianDiffusion(varianceExploding()),
        denoiser: (xt, told) => tf.add(tf.sin(tf.mul(xt, 3)), tf.expandDims(told, 1)),
        predicts: edmPrediction({ sigmaData: data }),
        variance: fixedSmall,
      });
      const [clean, normal] = [x0, noise].map((tensor) => Array.from(tensor.dataSync())) as [
        number[],
        number[],
      ];
      const expected = Array.from(sigmas, (sigma, i) => {
        const power = sigma ** 2 + data ** 2;
        const lambda = power / (sigma * data) ** 2;
        const errors = clean.slice(6 * i, 6 * i + 6).map((x, k) => {
          const noisy = x + sigma * normal[6 * i + k]!;
          const f = network(noisy / Math.sqrt(power), Math.log(sigma) / 4);
          return (data ** 2 / power) * noisy + ((sigma * data) / Math.sqrt(power)) * f - x;
        });
        return lambda * errors.reduce((sum, error) => sum + error ** 2 / 6, 0);
      });
      const { perExample } = simple()({ reverse, x0, t: sigmas, noise });
      expectAllClose(perExample, expected, { relative: 1e-4 });
    },
  );

  it.each([
    ['l2', l2],
    ['huber', huber],
  ] as const)('%s has the gradient of finite differences for every prediction', (_, norm) => {
    const batch = images();
    const { gain, bend } = params;
    const loss = simple({ norm, weighting: minSnr(5) });
    for (const predicts of Object.values(PREDICTIONS)) {
      const network = parametrised(predicts, fixedSmall);
      expectGradient((p) => total(loss({ reverse: network(p), ...batch }).perExample), { gain, bend });
    }
  });

  it('l1 has the sign of the error as its gradient', () => {
    const slope = tf.grad((offset: tf.Tensor) => tf.sum(lossAtOffset(offset, { norm: l1 })))(offsets());
    expectAllClose(slope, [1, -1, 1, -1]);
  });

  it('refuses a network that answers later, and leaves nothing of it behind', async () => {
    const batch = images();
    const networks = [
      later((xt) => tf.mul(xt, 0.5)),
      later(() => tf.ones([4, 3, 3, 2])),
      async (xt: tf.Tensor) => tf.mul(tf.mul(xt, 2), 0.25),
    ];
    for (const denoiser of networks) {
      const reverse = reverseProcess({ forward, denoiser, predicts: vPrediction, variance: fixedSmall });
      const before = tf.memory().numTensors;
      expect(() => simple()({ reverse, ...batch })).toThrow(
        new TypeError(
          'the network answers with a promise, and a gradient needs its output at once: train with one that computes here',
        ),
      );
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(tf.memory().numTensors).toBe(before);
    }
  });

  it('leaves no tensor behind', async () => {
    const batch = images();
    const reverse = parametrised(vPrediction, fixedSmall)(scalars());
    for (const norm of [l2, l1, huber]) {
      await expectNoLeak(() => simple({ norm, weighting: minSnr() })({ reverse, ...batch }));
      await expectNoLeak(() => simple({ norm })({ reverse, ...batch, t: 3 }));
    }
  });
});
