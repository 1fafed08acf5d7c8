import {
  type Distribution,
  type ForwardProcess,
  gaussian,
  gaussianDiffusion,
} from '@diffusion-ts/forward-process';
import { linear } from '@diffusion-ts/schedules';
import { rng } from '@diffusion-ts/tensor';
import { expectAllClose, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import {
  atOnce,
  fixedSmall,
  type Prediction,
  type ReverseProcess,
  reverseProcess,
  type Variance,
  vPrediction,
  x0Prediction,
} from '../src/index.js';

// What others may write: the types of this file are half of the test.

const schedule = linear({ steps: 50 });

/** A process whose posterior lies elsewhere. */
function shifting(of: ForwardProcess): ForwardProcess {
  return {
    ...of,
    posterior(...args) {
      const { mean, logVariance } = of.posterior(...args);
      return gaussian({ mean: tf.add(mean, 3), logVariance });
    },
  };
}

/** A process whose data are always the same: whoever asks what they were is told. */
interface Certain extends Distribution {
  readonly value: tf.Tensor;
}
const certain = (value: tf.Tensor): Certain => ({
  discrete: true,
  value,
  sample: () => tf.clone(value),
  mode: () => tf.clone(value),
  kl: (p) => tf.tidy(() => tf.where(tf.equal(value, p.value), 0, Number.POSITIVE_INFINITY)),
  logProb: (x) => tf.tidy(() => tf.where(tf.equal(value, x), 0, Number.NEGATIVE_INFINITY)),
});
const standing: ForwardProcess<Certain> = {
  schedule,
  noise: (_, shape) => tf.zeros([...shape]),
  sample: (x0) => tf.clone(x0),
  marginal: (x0) => certain(x0),
  posterior: (x0) => certain(x0),
  prior: (shape) => certain(tf.zeros([...shape])),
};
const backwards: ReverseProcess<Certain> = {
  forward: standing,
  evaluate: (xt) => ({ x0: () => tf.clone(xt), to: () => certain(xt), dispose: () => {} }),
};

/** A wrapped process: every x̂_0 of another, rounded to whole numbers. */
function rounding(reverse: ReverseProcess): ReverseProcess {
  return {
    forward: reverse.forward,
    async evaluate(xt, t, condition) {
      const evaluation = await reverse.evaluate(xt, t, condition);
      const x0 = (): tf.Tensor => tf.tidy(() => tf.round(evaluation.x0()));
      return { ...evaluation, x0, to: (s) => reverse.forward.posterior(x0(), xt, t, s) };
    },
  };
}

/** F = x_0/2, and a variance in the middle. */
const halfPrediction: Prediction = { name: 'half', at: () => ({ skip: 0, out: 2 }) };
const middle: Variance = {
  name: 'middle',
  learned: false,
  at: (schedule, t) => ({ offset: 2 * Math.log(schedule.level(t).sigma / 2), ofRaw: 0 }),
};

onEachBackend(() => {
  const xt = () => rng(1).normal([2, 3]);

  it('a forward process of one’s own, on distributions of one’s own, is a handful of lines', () => {
    const evaluation = atOnce(backwards.evaluate(xt(), 5));
    const [q, p] = [standing.posterior(xt(), xt(), 5, 4), evaluation.to(4)];
    expectAllClose(q.kl(p), new Array(6).fill(0));
    expectAllClose(p.sample(rng(0)), xt());
    expectAllClose(evaluation.x0(), xt());
  });

  it('a reverse process may wrap another, and answer later', async () => {
    const forward = gaussianDiffusion(schedule);
    const reverse = rounding(
      reverseProcess({
        forward,
        denoiser: (x) => tf.mul(x, 0.5),
        predicts: vPrediction,
        variance: fixedSmall,
      }),
    );
    const evaluation = await reverse.evaluate(xt(), 5);
    const { alpha, sigma } = schedule.level(5);
    const x0 = tf.round(tf.mul(xt(), alpha - sigma / 2));
    expectAllClose(evaluation.x0(), x0);
    expectAllClose(evaluation.to(1).mean, forward.posterior(x0, xt(), 5, 1).mean);
  });

  it('a prediction and a variance of one’s own are a value each', () => {
    const reverse = reverseProcess({
      forward: gaussianDiffusion(schedule),
      denoiser: (x) => tf.mul(x, 0.25),
      predicts: halfPrediction,
      variance: middle,
    });
    const evaluation = atOnce(reverse.evaluate(xt(), 5));
    expectAllClose(evaluation.x0(), tf.mul(xt(), 0.5));
    expectAllClose(reverse.target(xt(), 5, tf.zerosLike(xt())), tf.mul(xt(), 0.5));
    expect(Math.exp(evaluation.to(4).logVariance as number)).toBeCloseTo(
      schedule.level(5).sigma ** 2 / 4,
      12,
    );
  });

  it('a posterior of one’s own is the one whose mean a step has', () => {
    const own = shifting(gaussianDiffusion(schedule));
    const reverse = reverseProcess({
      forward: own,
      denoiser: (x) => tf.mul(x, 0.5),
      predicts: x0Prediction,
      variance: fixedSmall,
    });
    expect(reverse.forward).toBe(own);
    const { mean } = atOnce(reverse.evaluate(xt(), 5)).to(1);
    expectAllClose(mean, own.posterior(tf.mul(xt(), 0.5), xt(), 5, 1).mean);
    expectAllClose(
      tf.sub(mean, gaussianDiffusion(schedule).posterior(tf.mul(xt(), 0.5), xt(), 5, 1).mean),
      [3, 3, 3, 3, 3, 3],
    );
  });
});
