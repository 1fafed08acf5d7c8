import { gaussian, gaussianDiffusion } from '@diffusion-ts/forward-process';
import {
  atOnce,
  fixedLarge,
  fixedSmall,
  learnedRange,
  PREDICTIONS,
  reverseProcess,
} from '@diffusion-ts/reverse-process';
import { fromBetas } from '@diffusion-ts/schedules';
import { expectAllClose, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { it } from 'vitest';
import { priorBits, variationalBound } from '../src/index.js';
import { meanPerExample } from '../src/mean-per-example.js';

// Three steps, two components, and a network linear in x_t that mixes them: every form is then quadratic in the noise, so
// that the mean over all signs ±1 of the noise is the expectation, exactly.
const betas = [0.1, 0.4, 0.7];
const schedule = fromBetas(betas);
const forward = gaussianDiffusion(schedule);
const x0 = [0.3, -0.8];

/** All the signs of `count` numbers, a row each. */
const signs = (count: number): number[][] =>
  Array.from({ length: 2 ** count }, (_, row) =>
    Array.from({ length: count }, (_, i) => ((row >> i) & 1 ? 1 : -1)),
  );

const mean = (nats: tf.Tensor): number => tf.mean(meanPerExample(nats)).dataSync()[0]! / Math.LN2;

onEachBackend(() => {
  it.each([
    ['epsilon', fixedLarge],
    ['x0', fixedSmall],
    ['v', learnedRange],
    ['previous', fixedLarge],
    ['flow', learnedRange],
  ] as const)(
    'the bound as KLs, as ratios of the posterior and as ratios of the chain is one number, for %s',
    (name, variance) => {
      const reverse = reverseProcess({
        forward,
        denoiser: (xt, told) => {
          const mixed = tf.add(tf.mul(xt, tf.tensor2d([[0.6, -0.2]])), tf.mul(tf.reverse(xt, 1), 0.3));
          const prediction = tf.add(mixed, tf.expandDims(tf.mul(told, 1e-3), 1));
          // Of a learned variance something that is no function of x_t, which would not be quadratic.
          return variance.learned
            ? tf.concat([prediction, tf.add(tf.zerosLike(xt), tf.tensor2d([[0.3, -0.5]]))], -1)
            : prediction;
        },
        predicts: PREDICTIONS[name],
        variance,
      });
      const at = (rows: number) => tf.tile(tf.tensor2d([x0]), [rows, 1]);

      // Ho et al. 2020, eq. 5.
      const corners = tf.tensor2d(signs(2));
      const loss = variationalBound();
      const terms = [0, 1, 2].map((t) => tf.mean(loss({ reverse, x0: at(4), t, noise: corners }).perExample));
      const kls = terms.reduce(
        (sum, term) => sum + term.dataSync()[0]!,
        tf.mean(priorBits(forward, at(4))).dataSync()[0]!,
      );

      // The path x_1, x_2, x_3 that each row of signs draws from q(x_t | x_{t−1}).
      const rows = signs(6);
      const path = [at(rows.length)];
      for (const [t, beta] of betas.entries()) {
        const z = tf.tensor2d(rows.map((row) => row.slice(2 * t, 2 * t + 2)));
        path.push(tf.add(tf.mul(path[t]!, Math.sqrt(1 - beta)), tf.mul(z, Math.sqrt(beta))));
      }
      const [data, x1, x2, x3] = path as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
      const p = (t: number, xt: tf.Tensor, xs: tf.Tensor): number =>
        mean(
          atOnce(reverse.evaluate(xt, t))
            .to(t - 1)
            .logProb(xs),
        );
      const latent = mean(forward.prior(x3.shape).logProb(x3));

      // Eq. 3: E[log q(x_{1:T} | x_0) − log p_θ(x_{0:T})], q step by step.
      const q = (t: number): number => {
        const step = gaussian({
          mean: tf.mul(path[t]!, Math.sqrt(1 - betas[t]!)),
          logVariance: Math.log(betas[t]!),
        });
        return mean(step.logProb(path[t + 1]!));
      };
      const chain = q(0) + q(1) + q(2) - latent - p(2, x3, x2) - p(1, x2, x1) - p(0, x1, data);

      // Eq. 21: q(x_T | x_0) and the posteriors q(x_{t−1} | x_t, x_0) in its stead.
      const posterior = (t: number, xt: tf.Tensor, xs: tf.Tensor): number =>
        mean(forward.posterior(data, xt, t, t - 1).logProb(xs));
      const ratios =
        mean(forward.marginal(data, 2).logProb(x3)) -
        latent +
        (posterior(2, x3, x2) - p(2, x3, x2)) +
        (posterior(1, x2, x1) - p(1, x2, x1)) -
        p(0, x1, data);

      expectAllClose(chain, kls, { relative: 1e-5, absolute: 1e-5 });
      expectAllClose(ratios, kls, { relative: 1e-5, absolute: 1e-5 });
    },
  );
});
