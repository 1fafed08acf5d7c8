import { gaussianDiffusion, logVarianceTensor } from '@diffusion-ts/forward-process';
import { cosine, linear } from '@diffusion-ts/schedules';
import { type Denoiser, mapExamples, rng, valueAndGrad, zipExamples } from '@diffusion-ts/tensor';
import {
  expectAllClose,
  expectNoLeak,
  firstOfEach,
  goldenDenoiser,
  goldenGaussian,
  goldenNoise,
  goldenX0,
  onEachBackend,
} from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import {
  asConstant,
  atOnce,
  fixedLarge,
  fixedSmall,
  learnedRange,
  learnedVariance,
  PREDICTIONS,
  reverseProcess,
  VARIANCES,
  type Variance,
  vPrediction,
  x0Prediction,
} from '../src/index.js';
import { expectClosePerExample, omniscient, sizeOfX0 } from './omniscient.js';
import { PAIRS, type PredictionName, SCHEDULES, someTimes } from './schedules.js';

const schedule = cosine({ steps: 20 });
const forward = gaussianDiffusion(schedule);
const names = Object.keys(PREDICTIONS) as PredictionName[];
const four = (): Float64Array => Float64Array.of(0, 1, 10, 17);
const exactly = { relative: 0, absolute: 0 };

const never: Denoiser = () => {
  throw new Error('the network was asked');
};
/** Mixes elements, so that none can be taken for another. */
const mixing: Denoiser = (xt) => tf.tidy(() => tf.add(tf.mul(xt, 0.5), tf.mul(tf.reverse(xt, -1), 0.25)));

onEachBackend(() => {
  describe.each(['linear', 'cosine'] as const)('on the %s schedule of improved-diffusion', (name) => {
    const golden = goldenGaussian(name);
    const q = gaussianDiffusion({ linear, cosine }[name]({ steps: 1000 }));
    const t = Float64Array.from(golden.t);
    const before = t.map((time) => time - 1);
    const xt = (): tf.Tensor => q.sample(goldenX0(), t, goldenNoise());

    for (const { predicts, variance, ...expected } of golden.rows) {
      it(`${predicts} with ${variance} variance has the p_θ(x_{t−1} | x_t) of the reference`, () => {
        const reverse = reverseProcess({
          forward: q,
          denoiser: goldenDenoiser(variance),
          predicts: PREDICTIONS[predicts],
          variance: VARIANCES[variance],
        });
        const p = atOnce(reverse.evaluate(xt(), t)).to(before);
        const perElement = tf.broadcastTo(logVarianceTensor(p), p.mean.shape);
        expectAllClose(firstOfEach(p.mean, 4), expected.p_mean_first4.flat());
        expectAllClose(firstOfEach(perElement, 4), expected.p_log_variance_first4.flat());
      });
    }

    it('fixedSmall is the clipped posterior variance of the reference, at index 0 that of index 1', () => {
      const log = zipExamples(t, before, (t, s) => fixedSmall.at(q.schedule, t, s).offset);
      expectAllClose(log as Float64Array, golden.posterior_log_variance_clipped);
    });
  });

  describe.each(PAIRS)('a network that says the true %s on the %s schedule', (name, scheduleName) => {
    const schedule = SCHEDULES[scheduleName];
    const predicts = PREDICTIONS[name];
    const t = someTimes(schedule);

    it('finds the x_0 and the ε of x_t, each example at a time of its own', () => {
      const { x0, noise, reverse, evaluate } = omniscient(schedule, t, { predicts });
      const evaluation = evaluate();
      const size = sizeOfX0(reverse, t);
      expectClosePerExample(evaluation.x0(), x0, size);
      // ε̂ = (x_t − α x̂_0)/σ.
      const ofX0 = mapExamples(t, (time) => schedule.level(time).alpha / schedule.level(time).sigma);
      const ofXt = mapExamples(t, (time) => 1 / schedule.level(time).sigma);
      const sizeOfEpsilon = zipExamples(
        zipExamples(ofX0, size, (a, b) => a * b),
        ofXt,
        (a, b) => a + b,
      );
      expectClosePerExample(evaluation.epsilon(), noise, sizeOfEpsilon);
    });

    it('finds them at one time for all', () => {
      const time = t[1]!;
      const { x0, noise, reverse, evaluate } = omniscient(schedule, time, { predicts });
      const { alpha, sigma } = schedule.level(time);
      const size = sizeOfX0(reverse, time) as number;
      expectClosePerExample(evaluate().x0(), x0, size);
      expectClosePerExample(evaluate().epsilon(), noise, (size * alpha + 1) / sigma);
    });

    if (name === 'previous') {
      it('has the mean of the posterior at t − 1', () => {
        const { x0, xt, reverse, evaluate } = omniscient(schedule, t, { predicts });
        const s = t.map((time) => time - 1);
        expectAllClose(evaluate().to(s).mean, reverse.forward.posterior(x0, xt, t, s).mean, {
          absolute: 2e-6,
        });
      });
    } else {
      it('has the mean of the posterior at any time of less noise, the data included', () => {
        const { x0, xt, reverse, evaluate } = omniscient(schedule, t, { predicts });
        const { start } = schedule;
        const evaluation = evaluate();
        const size = sizeOfX0(reverse, t);
        const partly = (u: number): Float64Array => t.map((time) => start + u * (time - start));
        for (const s of [start, partly(0.1), partly(0.43), partly(0.97)]) {
          const exact = reverse.forward.posterior(x0, xt, t, s);
          expectClosePerExample(evaluation.to(s).mean, exact.mean, size);
        }
        expectClosePerExample(evaluation.to(start).mean, evaluation.x0(), 0);
      });
    }

    it('the target is that mean of x_0 and ε, whatever the rank', () => {
      for (const shape of [[4], [4, 2], [4, 1, 2, 1, 3]]) {
        const x0 = rng(1).normal(shape);
        const noise = rng(2).normal(shape);
        const { reverse } = omniscient(schedule, t, { predicts });
        const target = reverse.target(x0, t, noise);
        expect(target.shape).toEqual(shape);
        const coefficient = (f: (skip: number, out: number, alpha: number, sigma: number) => number) =>
          Array.from(t, (time) => {
            const level = schedule.level(time);
            const { skip, out } = predicts.at(level, schedule);
            return f(skip, out, level.alpha, level.sigma);
          });
        const a = coefficient((skip, out, alpha) => (1 - skip * alpha) / out);
        const b = coefficient((skip, out, _, sigma) => (-skip * sigma) / out);
        const values = noise.dataSync();
        const each = x0.size / 4;
        expectAllClose(
          target,
          x0.dataSync().map((x, i) => a[Math.floor(i / each)]! * x + b[Math.floor(i / each)]! * values[i]!),
          { absolute: 1e-5 },
        );
      }
    });
  });

  it('the targets of ε, x_0, v, flow and the previous mean are what they are called', () => {
    const t = Float64Array.of(0, 7.25, 19);
    const targetOf = (name: PredictionName) => {
      const { reverse, x0, noise, xt } = omniscient(schedule, t, { predicts: PREDICTIONS[name] });
      return { target: reverse.target(x0, t, noise), x0, noise, xt };
    };
    const { target: epsilon, x0, noise, xt } = targetOf('epsilon');
    expectAllClose(epsilon, noise, { relative: 1e-7, absolute: 1e-12 });
    expectAllClose(targetOf('x0').target, x0, exactly);
    expectAllClose(targetOf('flow').target, tf.sub(noise, x0));
    expectAllClose(
      targetOf('previous').target,
      forward.posterior(
        x0,
        xt,
        t,
        t.map((time) => time - 1),
      ).mean,
    );
    // v is the rate of x_t along the circle of signal and noise: −sin φ x_0 + cos φ ε with cos φ = √ᾱ.
    const phi = Array.from(t, (time) => Math.acos(schedule.level(time).alpha));
    expectAllClose(
      targetOf('v').target,
      tf.add(
        tf.mul(x0, tf.reshape(tf.tensor1d(phi.map((angle) => -Math.sin(angle))), [3, 1, 1])),
        tf.mul(noise, tf.reshape(tf.tensor1d(phi.map(Math.cos)), [3, 1, 1])),
      ),
    );
  });

  it('EDM shows the network x_t of unit variance and tells it ln(σ)/4', () => {
    const exploding = SCHEDULES['variance exploding'];
    const seen: number[] = [];
    const told: number[] = [];
    const reverse = reverseProcess({
      forward: gaussianDiffusion(exploding),
      denoiser: (x, time) => {
        seen.push(...x.dataSync());
        told.push(...time.dataSync());
        return tf.zerosLike(x);
      },
      predicts: PREDICTIONS.edm,
      variance: fixedSmall,
    });
    const t = Float64Array.of(0.002, 1, 80);
    const deviations = Array.from(t, (sigma) => Math.hypot(sigma, 0.5));
    atOnce(reverse.evaluate(tf.tensor2d(deviations, [3, 1]), t));
    expectAllClose(seen, [1, 1, 1]);
    expectAllClose(
      told,
      Array.from(t, (sigma) => Math.log(sigma) / 4),
    );
  });

  it('the EDM target of data of that deviation has unit variance', () => {
    const t = Float64Array.from({ length: 4096 }, (_, i) => 0.01 * 1.0015 ** i);
    const { reverse } = omniscient(SCHEDULES['variance exploding'], 1, { predicts: PREDICTIONS.edm });
    const x0 = tf.mul(rng(1).normal([4096, 4]), 0.5);
    const target = reverse.target(x0, t, rng(2).normal([4096, 4]));
    // Four standard errors of a variance of as many numbers.
    expectAllClose(tf.moments(target).variance, 1, { absolute: 4 * Math.sqrt(2 / target.size), relative: 0 });
  });

  it('tells the network the time of each example, as float32, and the condition', () => {
    const told: number[] = [];
    const label = tf.tensor1d([4, 2], 'int32');
    const { reverse } = omniscient(schedule, 1, {
      predicts: vPrediction,
      denoiser(xt, t, condition) {
        expect(t.dtype).toBe('float32');
        told.push(...t.dataSync());
        expect(condition?.label).toBe(label);
        return tf.clone(xt);
      },
    });
    reverse.evaluate(tf.zeros([2, 1]), Float64Array.of(1, 4.5), { label });
    reverse.evaluate(tf.zeros([2, 1]), 19, { label });
    expect(told).toEqual([1, 4.5, 19, 19]);
  });

  it('tells a network that predicts flow 1000 σ/(α + σ)', () => {
    const told: number[] = [];
    const rectified = SCHEDULES.rectified;
    const { reverse } = omniscient(rectified, 1, {
      predicts: PREDICTIONS.flow,
      denoiser(xt, t) {
        told.push(...t.dataSync());
        return tf.clone(xt);
      },
    });
    reverse.evaluate(tf.zeros([3, 1]), Float64Array.of(0.25, 0.5, 1));
    expectAllClose(told, [500, 750, 1000]);
  });

  it('asks the network once, whatever is asked of the evaluation', () => {
    let asked = 0;
    const { reverse } = omniscient(schedule, 1, {
      predicts: vPrediction,
      denoiser(...args) {
        asked += 1;
        return mixing(...args);
      },
    });
    const evaluation = atOnce(reverse.evaluate(rng(3).normal([4, 2]), four()));
    expect(asked).toBe(1);
    evaluation.x0();
    evaluation.epsilon();
    evaluation.to(-1);
    evaluation.to(four().map((t) => t - 0.5));
    expect(asked).toBe(1);
  });

  it('one step to s does not depend on the other examples or their times', () => {
    const xt = rng(3).normal([4, 2, 3]);
    const { reverse } = omniscient(schedule, 1, { predicts: vPrediction, denoiser: mixing });
    const s = Float64Array.of(-1, 0.5, 3, 3);
    const together = tf.unstack(atOnce(reverse.evaluate(xt, four())).to(s).mean);
    tf.unstack(xt).forEach((one, i) => {
      const alone = atOnce(reverse.evaluate(tf.expandDims(one), four()[i]!)).to(s[i]!);
      expectAllClose(alone.mean, together[i]!);
    });
  });

  it.each(names)('clips x_0, and gives the noise that fits the clipped x_0: %s', (name) => {
    const { x0, xt, evaluate, reverse } = omniscient(schedule, four(), {
      predicts: PREDICTIONS[name],
      clip: [-0.5, 0.25],
    });
    const found = evaluate();
    expectAllClose(found.x0(), tf.clipByValue(x0, -0.5, 0.25), { absolute: 2e-5 });
    expectAllClose(reverse.forward.sample(found.x0(), four(), found.epsilon()), xt, { absolute: 2e-6 });
  });

  it('clips to [−1, 1] where clip is true, and the mean of every step follows', () => {
    const { x0, xt, evaluate } = omniscient(schedule, four(), { predicts: PREDICTIONS.epsilon, clip: true });
    const clipped = tf.clipByValue(x0, -1, 1);
    for (const s of [-1, four().map((t) => t - 0.75)]) {
      expectAllClose(evaluate().to(s).mean, forward.posterior(clipped, xt, four(), s).mean, {
        absolute: 2e-5,
      });
    }
  });

  it('does not touch the mean of a network that predicts it, clipped x_0 or not', () => {
    const { x0, xt, evaluate } = omniscient(schedule, four(), {
      predicts: PREDICTIONS.previous,
      clip: [-0.5, 0.25],
    });
    const before = four().map((t) => t - 1);
    expectAllClose(evaluate().to(before).mean, forward.posterior(x0, xt, four(), before).mean);
    expectAllClose(evaluate().x0(), tf.clipByValue(x0, -0.5, 0.25), { absolute: 2e-5 });
  });

  it('splits the channels where the variance is learned', () => {
    const { reverse } = omniscient(schedule, 1, {
      predicts: x0Prediction,
      variance: learnedVariance,
      denoiser: (xt) => tf.tidy(() => tf.concat([tf.mul(xt, 2), tf.mul(xt, 3)], -1)),
    });
    const xt = tf.reshape(tf.range(0, 12), [2, 2, 3]);
    const { prediction, raw } = atOnce(reverse.evaluate(xt, Float64Array.of(0, 5)));
    expectAllClose(prediction, tf.mul(xt, 2));
    expectAllClose(raw!, tf.mul(xt, 3));
  });

  it('says nothing raw where the variance is fixed', () => {
    const { evaluate } = omniscient(schedule, 3, { predicts: x0Prediction });
    expect('raw' in evaluate()).toBe(false);
  });

  describe('with one option changed', () => {
    const xt = (): tf.Tensor => tf.mul(rng(3).normal([4, 2]), 3);
    const half: Denoiser = (x) => tf.mul(x, 0.5);
    const base = () => omniscient(schedule, 1, { predicts: x0Prediction, denoiser: half }).reverse;

    it('{ ...reverse, denoiser } asks the other network', () => {
      const other = { ...base(), denoiser: ((x) => tf.mul(x, 0.25)) satisfies Denoiser };
      expectAllClose(atOnce(other.evaluate(xt(), four())).x0(), tf.mul(xt(), 0.25));
      expectAllClose(atOnce(base().evaluate(xt(), four())).x0(), tf.mul(xt(), 0.5));
    });

    it('{ ...reverse, clip } clips, and without it no more', () => {
      const clipping = { ...base(), clip: true };
      const clipped = atOnce(clipping.evaluate(xt(), four()));
      expectAllClose(clipped.x0(), tf.clipByValue(tf.mul(xt(), 0.5), -1, 1));
      expectAllClose(clipped.to(-1).mean, tf.clipByValue(tf.mul(xt(), 0.5), -1, 1));
      const free = { ...clipping, clip: false };
      expectAllClose(atOnce(free.evaluate(xt(), four())).x0(), tf.mul(xt(), 0.5));
    });

    it('{ ...reverse, predicts } takes the answer for another thing, and trains towards it', () => {
      const other = { ...base(), predicts: vPrediction };
      const { alpha, sigma } = schedule.level(7);
      expectAllClose(atOnce(other.evaluate(xt(), 7)).x0(), tf.mul(xt(), alpha - sigma / 2));
      expectAllClose(other.target(xt(), 7, tf.zerosLike(xt())), tf.mul(xt(), -sigma));
    });

    it('{ ...reverse, variance } has the other variance', () => {
      const other = { ...base(), variance: fixedLarge };
      const logOf = ({ evaluate }: typeof other): number =>
        atOnce(evaluate.call(other, xt(), 7)).to(6).logVariance as number;
      expectAllClose(Math.exp(logOf(other)), schedule.betas[7]!);
      const learned = {
        ...base(),
        variance: learnedRange,
        denoiser: ((x) => tf.tile(x, [1, 2])) satisfies Denoiser,
      };
      expect(atOnce(learned.evaluate(xt(), 7)).raw?.shape).toEqual([4, 2]);
    });

    it('{ ...reverse, forward } lives on the other schedule', () => {
      const other = { ...base(), predicts: vPrediction, forward: gaussianDiffusion(SCHEDULES.rectified) };
      expectAllClose(atOnce(other.evaluate(xt(), 1)).x0(), tf.mul(xt(), -0.5));
      expect(() => other.evaluate(xt(), 1.5)).toThrow('t is 1.5, expected a time of the schedule, 0 … 1');
    });

    it('the whole made anew does the same', () => {
      const clipping = reverseProcess({ ...base(), clip: true });
      expect(clipping.clip).toBe(true);
      expectAllClose(atOnce(clipping.evaluate(xt(), four())).x0(), tf.clipByValue(tf.mul(xt(), 0.5), -1, 1));
    });
  });

  describe('withConstantPrediction', () => {
    const grads = (constant: boolean) =>
      valueAndGrad(({ a, b }) => {
        const xt = rng(3).normal([4, 2]);
        const { reverse } = omniscient(schedule, 1, {
          predicts: vPrediction,
          variance: learnedRange,
          denoiser: (x) => tf.concat([tf.mul(x, a!), tf.mul(x, b!)], -1),
        });
        const evaluation = atOnce(reverse.evaluate(xt, four()));
        const p = (constant ? evaluation.withConstantPrediction() : evaluation).to(-1);
        return tf.sum(p.logProb(tf.onesLike(xt)));
      })({ a: tf.scalar(0.5), b: tf.scalar(-0.25) });

    it('has the values of the evaluation, and teaches the variance alone', () => {
      const [free, constant] = [grads(false), grads(true)];
      expectAllClose(constant.value, free.value);
      expectAllClose(constant.grads.b!, free.grads.b!);
      expect(free.grads.a!.dataSync()[0]).not.toBe(0);
      expect(constant.grads.a!.dataSync()[0]).toBe(0);
    });

    it('of asConstant: the same values, and a gradient of 0', () => {
      const x = tf.tensor1d([1, -2]);
      expectAllClose(asConstant(x), x, exactly);
      const { grads } = valueAndGrad(({ x }) => tf.sum(tf.mul(x!, asConstant(x!))))({ x });
      expectAllClose(grads.x!, x, exactly);
    });
  });

  describe('the evaluation refuses', () => {
    it('what a network returns in the wrong shape', () => {
      const ask = (variance: Variance, width: number) => () =>
        reverseProcess({
          forward,
          denoiser: (xt) => tf.zeros([xt.shape[0]!, width]),
          predicts: x0Prediction,
          variance,
        }).evaluate(tf.zeros([2, 3]), Float64Array.of(0, 5));
      expect(ask(learnedVariance, 3)).toThrow(
        new RangeError(
          'the denoiser must return shape [2,6] for xt of shape [2,3] and learned variance, not [2,3]',
        ),
      );
      expect(ask(fixedSmall, 6)).toThrow(/must return shape \[2,3\] .* and fixedSmall variance, not \[2,6\]/);
    });

    it('a t of another length, of another kind or out of range, before the network is asked', () => {
      const { reverse } = omniscient(schedule, 1, { predicts: vPrediction, denoiser: never });
      const xt = tf.zeros([2, 3]);
      const one = Float64Array.of(0);
      expect(() => reverse.evaluate(xt, one)).toThrow(
        new RangeError('t must have one number for each example of xt: 1 came for xt of shape [2,3]'),
      );
      expect(() => reverse.target(xt, one, xt)).toThrow('one number for each example of x0');
      expect(() => reverse.evaluate(xt, tf.tensor1d([1, 2], 'int32') as never)).toThrow(
        new TypeError(
          't must be a number, or a Float64Array of one for each example, not a tensor of shape [2]',
        ),
      );
      for (const t of [20, -2, Number.NaN]) {
        const message = `t is ${t}, expected a time of the schedule, -1 … 19`;
        expect(() => reverse.evaluate(xt, t)).toThrow(new RangeError(message));
        expect(() => reverse.evaluate(xt, Float64Array.of(3, t))).toThrow(new RangeError(message));
        expect(() => reverse.target(xt, t, xt)).toThrow(new RangeError(message));
      }
      expect(() => reverse.target(xt, 1, tf.zeros([2, 1]))).toThrow(
        new RangeError('noise must have the shape of x0, [2,3], not [2,1]'),
      );
    });

    it('a step to a time of no less noise, or to one that the schedule does not have', () => {
      const { evaluate } = omniscient(schedule, Float64Array.of(3, 10), { predicts: vPrediction });
      expect(() => evaluate().to(3)).toThrow(
        new RangeError('s is 3, expected a time of less noise than t, which is 3'),
      );
      expect(() => evaluate().to(Float64Array.of(2, 11))).toThrow(/^s is 11, .* which is 10$/);
      expect(() => evaluate().to(-1.5)).toThrow('expected a time of the schedule, -1 … 19');
    });

    it('a step of a network that predicts the mean to another time than its own', () => {
      const predicts = PREDICTIONS.previous;
      const { evaluate, reverse } = omniscient(schedule, Float64Array.of(3, 10), { predicts });
      expect(() => evaluate().to(Float64Array.of(2, 8))).toThrow(
        new RangeError(
          's is 8, but the network predicts the mean at 9, and can only take the steps it was trained on',
        ),
      );
      expect(() => evaluate().to(-1)).toThrow('s is -1, but the network predicts the mean at 2');
      expect(() => reverse.checkTimes(Float64Array.of(19, 9, -1))).toThrow(
        new RangeError(
          'the times go from 19 to 9, but a network that predicts the previous mean can only take the steps it was trained on: leave the list of times out',
        ),
      );
      expect(() => reverse.checkTimes(Float64Array.of(2, 1, 0, -1))).not.toThrow();
      const free = omniscient(schedule, 1, { predicts: vPrediction }).reverse;
      expect(() => free.checkTimes(Float64Array.of(19, 9, -1))).not.toThrow();
    });
  });

  it('leaves no tensor behind, and x_t untouched', async () => {
    const xt = rng(3).normal([4, 3]);
    const t = Float64Array.of(0, 1, 10, 17);
    const before = t.map((time) => time - 1);
    for (const predicts of Object.values(PREDICTIONS)) {
      for (const variance of Object.values(VARIANCES)) {
        const reverse = reverseProcess({
          forward,
          denoiser: (x) => tf.tile(x, [1, variance.learned ? 2 : 1]),
          predicts,
          variance,
          clip: variance === learnedVariance,
        });
        await expectNoLeak(() => {
          const evaluation = atOnce(reverse.evaluate(xt, t));
          const p = evaluation.to(before);
          tf.dispose([evaluation.x0(), evaluation.epsilon(), p.mean]);
          if (p.logVariance instanceof tf.Tensor) p.logVariance.dispose();
          evaluation.dispose();
        });
        await expectNoLeak(() => reverse.target(xt, t, xt));
        expect(xt.isDisposed).toBe(false);
      }
    }
  });

  it('an answer that is the very input of the network is its own, and x_t stays', async () => {
    const xt = rng(3).normal([2, 3]);
    const { reverse } = omniscient(schedule, 1, { predicts: x0Prediction, denoiser: (x) => x });
    await expectNoLeak(() => {
      const evaluation = atOnce(reverse.evaluate(xt, 5));
      expectAllClose(evaluation.prediction, xt, exactly);
      evaluation.dispose();
    });
    expect(xt.isDisposed).toBe(false);
  });

  it('a network that throws leaves no tensor behind, nor does one of the wrong shape', async () => {
    const xt = rng(3).normal([2, 3]);
    for (const denoiser of [
      never,
      ((x) => {
        tf.mul(x, 2);
        throw new Error('after a tensor');
      }) satisfies Denoiser,
      ((x) => tf.concat([x, x])) satisfies Denoiser,
    ]) {
      const { reverse } = omniscient(schedule, 1, { predicts: x0Prediction, denoiser });
      await expectNoLeak(() => {
        expect(() => reverse.evaluate(xt, 5)).toThrow();
      });
    }
  });
});

describe('a process is refused', () => {
  const options = { forward, denoiser: never, predicts: vPrediction, variance: fixedSmall };
  const refused = (changed: object, error: Error): void => {
    const before = tf.memory().numTensors;
    expect(() => reverseProcess({ ...options, ...changed })).toThrow(error);
    expect(tf.memory().numTensors).toBe(before);
  };

  it.each([
    ['epsilon', 'zero terminal SNR', 19],
    ['epsilon', 'rectified', 1],
    ['edm', 'zero terminal SNR', 19],
    ['edm', 'rectified', 1],
  ] as const)('where %s would have to find x_0 in pure noise: %s', (predicts, schedule, end) => {
    refused(
      { predicts: PREDICTIONS[predicts], forward: gaussianDiffusion(SCHEDULES[schedule]) },
      new RangeError(
        `a network that predicts ${predicts} says nothing of x_0 at t = ${end}, where the signal is 0: predict v, x0 or flow on this schedule`,
      ),
    );
  });

  it.each(['continuous', 'variance exploding', 'rectified'] as const)(
    'where there is no previous step: %s',
    (schedule) => {
      const changed = { forward: gaussianDiffusion(SCHEDULES[schedule]) };
      refused(
        { ...changed, predicts: PREDICTIONS.previous },
        new RangeError(
          'a network that predicts the previous mean needs a discrete schedule: in continuous time there is no previous step',
        ),
      );
      refused(
        { ...changed, variance: learnedVariance },
        new RangeError(
          "variance 'learned' is that of a step of a discrete schedule: in continuous time take 'learnedRange'",
        ),
      );
    },
  );

  it('of a name where a value is expected, as JavaScript may have it', () => {
    refused(
      { predicts: 'eps' },
      new TypeError('predicts must be a prediction, such as vPrediction or PREDICTIONS.v, not eps'),
    );
    refused(
      { predicts: undefined },
      new TypeError('predicts must be a prediction, such as vPrediction or PREDICTIONS.v, not undefined'),
    );
    refused(
      { variance: 'fixedSmall' },
      new TypeError(
        'variance must be a variance, such as fixedSmall or VARIANCES.fixedSmall, not fixedSmall',
      ),
    );
  });

  it.each([
    [1, 1],
    [1, -1],
    [Number.NaN, 1],
  ])('with an empty range to clip to: [%s, %s]', (min, max) => {
    refused(
      { clip: [min, max] },
      new RangeError(`clip must be a range [min, max] with min < max, not [${min}, ${max}]`),
    );
  });
});
