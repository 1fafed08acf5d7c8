import { exactGaussian } from '@diffusion-ts/analytic';
import { gaussian, gaussianDiffusion } from '@diffusion-ts/forward-process';
import {
  epsilonPrediction,
  fixedSmall,
  type ReverseProcess,
  reverseProcess,
  variationalAutoencoder,
  vPrediction,
} from '@diffusion-ts/reverse-process';
import { cosine, linear, rectified } from '@diffusion-ts/schedules';
import { type Params, rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import {
  asLatentVariableModel,
  elboLoss,
  erfDecoder,
  importanceWeightedBound,
  type LatentVariableModel,
  negativeElbo,
  variationalBoundTerms,
} from '../src/index.js';
import { expectGradient } from './finite-differences.js';

const [W, S] = [1.3, 0.6];
const DATA_VARIANCE = W ** 2 + S ** 2;

/** p(x | z) = N(w z, s²), z ~ N(0, 1): x is N(0, w² + s²), and its posterior is N(w x, s²)/(w² + s²), `off` it or not. */
function linearGaussian({ shift = 0, stretch = 1 } = {}): ReverseProcess {
  return variationalAutoencoder({
    encode: (x) =>
      gaussian({
        mean: tf.add(tf.mul(x, W / DATA_VARIANCE), shift),
        logVariance: Math.log((S ** 2 / DATA_VARIANCE) * stretch),
      }),
    decode: (z) => gaussian({ mean: tf.mul(z, W), logVariance: 2 * Math.log(S) }),
    latentShape: [3],
  });
}

const latents = (off: { shift?: number; stretch?: number } = {}): LatentVariableModel =>
  asLatentVariableModel(linearGaussian(off));

/** −log₂ N(x; 0, w² + s²), the mean over the components. */
const exactBits = (x: tf.Tensor): tf.Tensor => {
  const squares = tf.mean(tf.reshape(tf.square(x), [x.shape[0]!, -1]), 1);
  return tf.div(tf.add(tf.div(squares, DATA_VARIANCE), Math.log(2 * Math.PI * DATA_VARIANCE)), 2 * Math.LN2);
};

/** In float64: the wasm backend adds up thousands of numbers in float32 one after the other. */
const mean = (x: tf.Tensor): number =>
  x.dataSync<'float32'>().reduce((sum, value) => sum + value, 0) / x.size;

onEachBackend(() => {
  const x = (): tf.Tensor => rng(1).normal([5, 3]);
  const context = () => ({ x0: x(), t: 0, noise: rng(10).normal([5, 3]) });

  it('weighs a sample of the exact posterior by exactly p(x), whatever was drawn', () => {
    for (const samples of [1, 7]) {
      const bound = importanceWeightedBound(latents(), x(), rng(samples), { samples });
      expectAllClose(bound, exactBits(x()), { absolute: 2e-6 });
    }
  });

  it('of an exact Gaussian model is its log-likelihood', () => {
    // E log p(x | z) by enough samples, the rest in closed form.
    const many = tf.tile(tf.tensor2d([[0.3, -1.2, 2]]), [20_000, 1]);
    const { perExample, prior, transitions } = negativeElbo(latents(), many, rng(3));
    const expected = exactBits(many).dataSync()[0]!;
    expect(mean(perExample)).toBeCloseTo(expected, 2);
    expect(mean(transitions)).toBe(0);
    const [m, v] = [[0.3, -1.2, 2].map((x) => (W * x) / DATA_VARIANCE), S ** 2 / DATA_VARIANCE];
    const kl = m.reduce((sum, m) => sum + 0.5 * (v + m * m - 1 - Math.log(v)), 0);
    expect(mean(prior)).toBeCloseTo(kl / (3 * Math.LN2), 5);
  });

  it('of an encoder that is off is above it by KL(q ‖ p(z | x)), and more samples bring the bound down to it', () => {
    const [shift, stretch] = [0.4, 2];
    const model = latents({ shift, stretch });
    const many = tf.tile(tf.tensor2d([[0.3, -1.2, 2]]), [20_000, 1]);
    const expected = exactBits(many).dataSync()[0]!;
    const posterior = S ** 2 / DATA_VARIANCE;
    const gap = (stretch - 1 - Math.log(stretch) + shift ** 2 / posterior) / (2 * Math.LN2);
    expect(mean(negativeElbo(model, many, rng(4)).perExample)).toBeCloseTo(expected + gap, 1);
    const bounds = [1, 3, 9].map((samples) =>
      mean(importanceWeightedBound(model, many, rng(5), { samples })),
    );
    expect(bounds[0]).toBeCloseTo(expected + gap, 1);
    expect(bounds[1]!).toBeLessThan(bounds[0]! - 0.1);
    expect(bounds[2]!).toBeLessThan(bounds[1]! - 0.02);
    expect(bounds[2]!).toBeGreaterThan(expected - 0.01);
  });

  it('of a diffusion model is its variational bound: one sum over paths, one over KLs (Ho et al. 2020, eq. 3 and 5)', async () => {
    const schedule = cosine({ steps: 6 });
    const forward = gaussianDiffusion(schedule);
    const denoiser = (xt: tf.Tensor): tf.Tensor => tf.add(tf.mul(tf.reverse(xt, [1]), 0.3), tf.mul(xt, 0.4));
    const reverse = reverseProcess({ forward, predicts: vPrediction, variance: fixedSmall, denoiser });
    const many = tf.tile(tf.tensor2d([[0.3, -0.7]]), [30_000, 1]);
    const { perExample, prior, reconstruction, transitions } = negativeElbo(
      asLatentVariableModel(reverse),
      many,
      rng(6),
    );
    const terms = await variationalBoundTerms(reverse, many, rng(7));
    const meanOf = (values: ArrayLike<number>): number =>
      Array.from(values).reduce((sum, x) => sum + x, 0) / values.length;
    const sd = Math.sqrt(mean(tf.square(tf.sub(perExample, tf.mean(perExample)))) / 30_000);
    expect(Math.abs(mean(perExample) - meanOf(terms.bitsPerDim))).toBeLessThan(6 * sd + 0.01);
    expect(mean(reconstruction)).toBeCloseTo(meanOf(terms.reconstruction), 1);
    // The KL of the top is told x_{T−1} here and x_0 there: together with the transitions it is the same.
    const rate = meanOf(terms.prior) + terms.transitions.reduce((sum, term) => sum + meanOf(term), 0);
    expect(Math.abs(mean(transitions) + mean(prior) - rate)).toBeLessThan(6 * sd + 0.01);
  });

  it('of an exact diffusion model of a Gaussian is its entropy, path by path', () => {
    const data = exactGaussian({ mean: 0.2, deviation: 0.5 });
    const schedule = linear({ steps: 100 });
    const reverse = reverseProcess({
      forward: gaussianDiffusion(schedule),
      predicts: epsilonPrediction,
      variance: data.variance,
      denoiser: data.denoiser(schedule, epsilonPrediction),
    });
    // Every step of the reverse process is the inverse of the forward one, so all paths of an x weigh the same.
    const x0 = data.sample(rng(8), [6, 4]);
    const bits = importanceWeightedBound(asLatentVariableModel(reverse), x0, rng(9), { samples: 1 });
    const z = tf.div(tf.sub(x0, 0.2), 0.5);
    const exact = tf.div(tf.add(tf.mean(tf.square(z), 1), Math.log(2 * Math.PI * 0.25)), 2 * Math.LN2);
    // But for the prior, which is N(0, I) where q(x_T) is N(α m, α² s² + σ²).
    expectAllClose(bits, exact, { absolute: 5e-3 });
  });

  it('teaches encoder and decoder: the gradient is that of the sum, through the sample', () => {
    const model = ({ gain, spread, weight }: Params): ReverseProcess =>
      variationalAutoencoder({
        encode: (x) => {
          const mean = tf.mul(x, gain!);
          return gaussian({ mean, logVariance: tf.mul(tf.onesLike(mean), spread!) });
        },
        decode: (z) => gaussian({ mean: tf.mul(tf.reverse(z, 1), weight!), logVariance: -1 }),
        latentShape: [3],
      });
    for (const beta of [1, 0.25]) {
      const loss = (params: Params): tf.Scalar =>
        tf.sum(elboLoss({ beta })({ reverse: model(params), ...context() }).perExample);
      expectGradient(loss, { gain: 0.5, spread: -0.7, weight: 0.9 });
    }
  });

  it('as a loss is the bound of the process: the closed KL, and the term of one step, weighed by β', async () => {
    const reverse = linearGaussian({ shift: 0.1 });
    const { perExample, rate, distortion } = elboLoss({ beta: 3 })({ reverse, ...context() });
    expectAllClose(perExample, tf.add(distortion!, tf.mul(rate!, 3)));
    expectAllClose(tf.add(distortion!, rate!), elboLoss()({ reverse, ...context() }).perExample);
    const { noise } = context();
    const z = tf.add(
      tf.add(tf.mul(x(), W / DATA_VARIANCE), 0.1),
      tf.mul(noise, S / Math.sqrt(DATA_VARIANCE)),
    );
    const errors = tf.mean(tf.square(tf.sub(x(), tf.mul(z, W))), 1);
    const density = tf.mul(tf.add(tf.div(errors, S ** 2), Math.log(2 * Math.PI * S ** 2)), 0.5 / Math.LN2);
    expectAllClose(distortion!, density);
    expectAllClose(rate!, (await variationalBoundTerms(reverse, x(), rng(1))).prior);
    expect(() => elboLoss({ beta: Number.NaN })).toThrow('beta must be a finite number from 0 up, not NaN');
  });

  it('counts the KL of few latents in bits of the many dimensions of the data', () => {
    const reverse = variationalAutoencoder({
      encode: (x) => gaussian({ mean: tf.slice(x, [0, 0], [-1, 1]), logVariance: 0 }),
      decode: (z) => gaussian({ mean: tf.tile(z, [1, 3]), logVariance: 0 }),
      latentShape: [1],
    });
    const { rate } = elboLoss()({ reverse, ...context(), noise: tf.zeros([5, 1]) });
    const first = tf.reshape(tf.slice(x(), [0, 0], [-1, 1]), [5]);
    expectAllClose(rate!, tf.div(tf.square(first), 2 * 3 * Math.LN2));
    expectAllClose(negativeElbo(asLatentVariableModel(reverse), x(), rng(1)).prior, rate!);
  });

  it('reads images off by the decoder it is given', () => {
    const images = tf.tensor2d([[-1, 1 / 127.5, 1 / 127.5 - 1]]);
    const { reconstruction } = negativeElbo(latents(), images, rng(12), { decoder: erfDecoder });
    // A bin holds less than all, where a density may be above 1.
    expect(mean(reconstruction)).toBeGreaterThan(0);
  });

  it('gives back the memory it used', async () => {
    const data = x();
    await expectNoLeak(() => negativeElbo(latents(), data, rng(1)));
    await expectNoLeak(() => [importanceWeightedBound(latents(), data, rng(1), { samples: 3 })]);
  });

  it('says what is wrong', () => {
    expect(() => importanceWeightedBound(latents(), x(), rng(1), { samples: 0 })).toThrow(
      'samples must be a whole number from 1 on, not 0',
    );
    expect(() => negativeElbo({ ...latents(), layers: [] }, x(), rng(1))).toThrow(
      'the model must have at least one layer of latents',
    );
    const forward = gaussianDiffusion(rectified());
    const reverse = reverseProcess({
      forward,
      predicts: vPrediction,
      variance: fixedSmall,
      denoiser: (xt) => tf.clone(xt),
    });
    expect(() => asLatentVariableModel(reverse)).toThrow('one of continuous time has no steps');
  });
});
