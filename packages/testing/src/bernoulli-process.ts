// The proof that a process on other data is a file and not a rewrite. forward-process and reverse-process stand to the
// right of this package, so they are named by their paths and not as dependencies, which would go round in a circle.

import * as tf from '@tensorflow/tfjs-core';
import { checkShape, type Distribution, type ForwardProcess } from '../../forward-process/src/index.js';
import { atOnce, type ReverseProcess } from '../../reverse-process/src/index.js';
import type { NoiseSchedule } from '../../schedules/src/index.js';
import {
  axpby,
  checkPerExample,
  type Denoiser,
  mapExamples,
  type PerExample,
  perExampleTensor,
  zipExamples,
} from '../../tensor/src/index.js';

/** Independent bits: 1 with the probability given, else 0. */
export interface Bernoulli extends Distribution {
  /** Of a 1. */
  readonly probability: tf.Tensor;
}

// What is left beside 1 in float32. A logarithm of less has no gradient, so that none is ever infinite.
const LEAST_PROBABILITY = 1e-7;

export function bernoulli(probability: tf.Tensor): Bernoulli {
  const logOf = (p: tf.Tensor): tf.Tensor => tf.log(tf.clipByValue(p, LEAST_PROBABILITY, 1));
  const logs = ({ probability }: Bernoulli): [one: tf.Tensor, zero: tf.Tensor] => [
    logOf(probability),
    logOf(tf.sub(1, probability)),
  ];
  /** Σ_x weight(x) f(x) over the two values. */
  const sum = (one: tf.Tensor, ofOne: tf.Tensor, ofZero: tf.Tensor): tf.Tensor =>
    tf.add(tf.mul(one, ofOne), tf.mul(tf.sub(1, one), ofZero));
  const self: Bernoulli = {
    probability,
    sample: (rng) => tf.tidy(() => tf.cast(tf.less(rng.uniform(probability.shape), probability), 'float32')),
    mode: () => tf.tidy(() => tf.cast(tf.greater(probability, 0.5), 'float32')),
    kl(p) {
      checkShape('the probability of p', p.probability, 'the probability', probability);
      return tf.tidy(() => {
        const [[one, zero], [oneOfP, zeroOfP]] = [logs(self), logs(p)];
        return sum(probability, tf.sub(one, oneOfP), tf.sub(zero, zeroOfP));
      });
    },
    logProb(x) {
      checkShape('x', x, 'the probability', probability);
      return tf.tidy(() => sum(x, ...logs(self)));
    },
  };
  return self;
}

/**
 * The binomial diffusion of Sohl-Dickstein et al. 2015 on data of 0 and 1: q(x_t | x_{t−1}) = B(x_{t−1} (1 − β_t) + ½ β_t),
 * which keeps a bit with probability 1 − β and tosses a coin for it else. Until t a bit is kept with the probability
 * ∏(1 − β) = ᾱ_t, so any variance-preserving schedule will do, α_t² being what is kept. Noise is uniform: x_t is 1 where
 * the noise is below its probability.
 */
export function bernoulliProcess(schedule: NoiseSchedule): ForwardProcess<Bernoulli> {
  const kept = (t: number): number => schedule.level(t).alpha ** 2;
  /** A kept bit of x with the probability `keep`, else a coin. */
  const tossed = (x: tf.Tensor, keep: PerExample): tf.Tensor =>
    axpby(
      keep,
      x,
      mapExamples(keep, (keep) => (1 - keep) / 2),
      tf.onesLike(x),
    );
  const probability = (x0: tf.Tensor, t: PerExample): tf.Tensor =>
    tf.tidy(() => tossed(x0, mapExamples(t, kept)));

  return {
    schedule,
    noise: (rng, shape) => rng.uniform(shape),
    sample(x0, t, noise) {
      checkPerExample('t', t, 'x0', x0);
      checkShape('noise', noise, 'x0', x0);
      return tf.tidy(() => tf.cast(tf.less(noise, probability(x0, t)), 'float32'));
    },
    marginal(x0, t) {
      checkPerExample('t', t, 'x0', x0);
      return bernoulli(probability(x0, t));
    },
    posterior(x0, xt, t, s) {
      checkPerExample('t', t, 'x0', x0);
      checkPerExample('s', s, 'x0', x0);
      checkShape('xt', xt, 'x0', x0);
      const since = zipExamples(t, s, (t, s) => {
        const keep = kept(t) / kept(s);
        if (keep < 1) return keep;
        throw new RangeError(`s is ${s}, expected a time of less noise than t, which is ${t}`);
      });
      return bernoulli(
        tf.tidy(() => {
          // Bayes: q(x_s | x_t, x_0) ∝ q(x_t | x_s) q(x_s | x_0), and the chance of x_t = b given x_s is that of x_s given b.
          const [prior, likelihood] = [probability(x0, s), tossed(xt, since)];
          const one = tf.mul(prior, likelihood);
          const zero = tf.mul(tf.sub(1, prior), tf.sub(1, likelihood));
          return tf.div(one, tf.add(one, zero));
        }),
      );
    },
    prior: (shape) => bernoulli(tf.fill([...shape], 0.5)),
  };
}

/**
 * The reverse process of a network that says the logit of x_0 = 1: p_θ(x_s | x_t) = Σ q(x_s | x_t, x_0) p_θ(x_0 | x_t) over
 * both x_0. Its x̂_0 is the probability of a 1.
 */
export function bernoulliReverseProcess({
  forward,
  denoiser,
}: {
  forward: ForwardProcess<Bernoulli>;
  denoiser: Denoiser;
}): ReverseProcess<Bernoulli> {
  return {
    forward,
    evaluate(xt, t, condition) {
      checkPerExample('t', t, 'xt', xt);
      const logits = tf.tidy(() =>
        tf.clone(atOnce(denoiser(xt, perExampleTensor(t, xt.shape[0]!), condition))),
      );
      return {
        x0: () => tf.sigmoid(logits),
        to: (s) =>
          bernoulli(
            tf.tidy(() => {
              const one = tf.sigmoid(logits);
              const given = (x0: tf.Tensor): tf.Tensor => forward.posterior(x0, xt, t, s).probability;
              const [ifZero, ifOne] = [given(tf.zerosLike(xt)), given(tf.onesLike(xt))];
              return tf.add(ifZero, tf.mul(one, tf.sub(ifOne, ifZero)));
            }),
          ),
        dispose: () => logits.dispose(),
      };
    },
  };
}
