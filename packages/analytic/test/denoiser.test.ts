import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { fixedLarge, PREDICTIONS, type Prediction, reverseProcess } from '@diffusion-ts/reverse-process';
import {
  continuous,
  cosine,
  type NoiseSchedule,
  rectified,
  varianceExploding,
} from '@diffusion-ts/schedules';
import { axpby } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { exactGaussian, exactGaussianMixture } from '../src/index.js';
import { FAMILIES } from './families.js';

const DISTRIBUTIONS = {
  gaussian: exactGaussian({ mean: 0.4, deviation: 0.3 }),
  mixture: exactGaussianMixture({
    weights: [1, 2],
    means: [
      [-1, 0.2],
      [0.5, 0.4],
    ],
    deviations: [0.2, 0.4],
  }),
};

/** Where no signal is left x_0 does not follow from ε, nor has EDM a name for the level; and not all time has steps. */
const possible = ({ name }: Prediction, { level, end, steps }: NoiseSchedule): boolean => {
  if (name === 'previous') return steps !== undefined;
  return level(end).alpha > 0 || !['epsilon', 'edm'].includes(name);
};

onEachBackend(() => {
  const noise = () =>
    tf.tensor2d([
      [-1.3, 0.2],
      [0.9, 2],
    ]);
  const noisy = (schedule: NoiseSchedule, t: number): tf.Tensor => {
    const { alpha, sigma } = schedule.level(t);
    return tf.tidy(() =>
      axpby(
        alpha,
        tf.tensor2d([
          [-1, 0.2],
          [0.9, 0.1],
        ]),
        sigma,
        noise(),
      ),
    );
  };

  describe.each(Object.values(PREDICTIONS))('a perfect network that predicts $name', (predicts) => {
    const families = FAMILIES.filter(([, schedule]) => possible(predicts, schedule));
    it.each(families)('gives back E[x_0 | x_t] on every schedule: %s', async (family, schedule, times) => {
      for (const exact of Object.values(DISTRIBUTIONS)) {
        const reverse = reverseProcess({
          forward: gaussianDiffusion(schedule),
          denoiser: exact.denoiser(schedule, predicts),
          predicts,
          variance: fixedLarge,
        });
        for (const t of times) {
          const xt = noisy(schedule, t);
          const { skip, out } = predicts.at(schedule.level(t), schedule);
          const size = 1 + Math.abs(skip) * Math.max(1, schedule.level(t).sigma) + Math.abs(out);
          // A few roundings of float32; 1000 σ/(1 + σ) tells σ = 80 no better than to 80 of them.
          const absolute = (family === 'variance exploding' ? 40 : 4) * 2 ** -24 * size;
          const evaluation = await reverse.evaluate(xt, t);
          expectAllClose(evaluation.x0(), exact.x0(schedule, xt, t), { relative: 0, absolute });
        }
      }
    });
  });

  it('answers each example at its own time', () => {
    const schedule = cosine({ steps: 20 });
    const t = Float64Array.of(3, 14.5);
    for (const exact of Object.values(DISTRIBUTIONS)) {
      const xt = noise();
      for (const predicts of [PREDICTIONS.v, PREDICTIONS.flow, PREDICTIONS.edm]) {
        const of = (time: number, what: 'in' | 'told'): number =>
          predicts.at(schedule.level(time), schedule)[what] ?? (what === 'in' ? 1 : time);
        const say = (times: Float64Array, x: tf.Tensor): tf.Tensor =>
          exact.denoiser(schedule, predicts)(
            axpby(
              times.map((time) => of(time, 'in')),
              x,
              0,
              x,
            ),
            tf.tensor1d(Float32Array.from(times, (time) => of(time, 'told'))),
          );
        const alone = [0, 1].map((i) => say(t.slice(i, i + 1), tf.slice(xt, [i], [1])));
        expectAllClose(say(t, xt), tf.concat(alone), { absolute: 1e-6 });
      }
      const alone = [0, 1].map((i) => exact.score(schedule, tf.slice(xt, [i], [1]), t[i]!));
      expectAllClose(exact.score(schedule, xt, t), tf.concat(alone));
    }
  });

  it('keeps its digits where hardly any noise is left and x̂_0 − x_t has none', () => {
    const [mean, deviation, sigma] = [0.4, 0.3, 1e-4];
    const schedule = varianceExploding({ sigmaMin: 1e-5 });
    const exact = exactGaussian({ mean, deviation });
    const xt = tf.tensor1d([-0.5, 0.4, 1.1]);
    const variance = deviation ** 2 + sigma ** 2;
    const told = tf.fill([3], sigma) as tf.Tensor1D;
    // ε̂ = σ (x_t − m)/Var[x_t], and x̂_0 = m + s² (x_t − m)/Var[x_t].
    const centred = [...xt.dataSync()].map((x) => (x - mean) / variance);
    expectAllClose(
      exact.denoiser(schedule, PREDICTIONS.epsilon)(xt, told),
      centred.map((d) => sigma * d),
      { relative: 1e-6, absolute: 1e-10 },
    );
    expectAllClose(
      exact.denoiser(schedule, PREDICTIONS.flow)(xt, tf.fill([3], (1000 * sigma) / (1 + sigma))),
      centred.map((d) => sigma * d - (mean + deviation ** 2 * d)),
      { relative: 1e-6 },
    );
  });

  it('finds the time from whatever moves one way with it, up or down', () => {
    const told: Record<string, (logSnr: number) => number> = {
      'the log-SNR itself': (logSnr) => logSnr,
      'σ/α': (logSnr) => Math.exp(-logSnr / 2),
      'α²/(α² + σ²)': (logSnr) => 1 / (1 + Math.exp(-logSnr)),
    };
    for (const schedule of [cosine({ steps: 20 }), varianceExploding(), rectified()]) {
      for (const tell of Object.values(told)) {
        const predicts: Prediction = {
          name: 'mine',
          at: ({ logSnr }) => ({ skip: 0, out: 1, told: tell(logSnr) }),
        };
        for (const t of [0.3, 0.9]) {
          const x = tf.tensor1d([0.7]);
          const answer = DISTRIBUTIONS.gaussian.denoiser(schedule, predicts)(
            x,
            tf.tensor1d([tell(schedule.level(t).logSnr)]),
          );
          expectAllClose(answer, DISTRIBUTIONS.gaussian.x0(schedule, x, t), { relative: 1e-6 });
        }
      }
    }
  });

  it('takes the last time of a schedule though float32 has rounded it up', () => {
    const schedule = varianceExploding({ sigmaMax: 0.1 });
    expect(Math.fround(0.1)).toBeGreaterThan(0.1);
    for (const predicts of [PREDICTIONS.v, PREDICTIONS.flow, PREDICTIONS.edm]) {
      const told = Math.fround(predicts.at(schedule.level(0.1), schedule).told ?? 0.1);
      const answer = DISTRIBUTIONS.gaussian.denoiser(schedule, predicts)(
        tf.tensor1d([1]),
        tf.tensor1d([told * (1 + 2 ** -23)]),
      );
      expect(Number.isFinite(answer.dataSync()[0])).toBe(true);
    }
  });

  it('has a gradient in x_t', () => {
    const schedule = cosine({ steps: 20 });
    const { gaussian } = DISTRIBUTIONS;
    const told = tf.tensor1d([8]);
    const slope = tf.grad((x) => gaussian.denoiser(schedule, PREDICTIONS.x0)(x, told))(tf.tensor1d([0.7]));
    // Var[x_0 | x_t] = σ²/α · d x̂_0/d x_t, the covariance that Tweedie's formula gives.
    const { alpha, sigma } = schedule.level(8);
    expectAllClose(slope, [(gaussian.reverseVariance(schedule, 8, -1) * alpha) / sigma ** 2]);
  });

  it('leaves no tensor behind', async () => {
    const schedule = cosine({ steps: 20 });
    const xt = noise();
    for (const exact of Object.values(DISTRIBUTIONS)) {
      for (const predicts of Object.values(PREDICTIONS)) {
        const { told = 8 } = predicts.at(schedule.level(8), schedule);
        const one = tf.tensor1d([told, told]);
        await expectNoLeak(() => exact.denoiser(schedule, predicts)(xt, one));
      }
      const two = tf.tensor1d([3, 4]);
      await expectNoLeak(() => exact.denoiser(schedule, PREDICTIONS.v)(xt, two));
    }
  });

  it('leaves no tensor behind where it refuses', async () => {
    const schedule = cosine({ steps: 20 });
    const xt = noise();
    const told = tf.tensor1d([20, 20]);
    const { denoiser } = DISTRIBUTIONS.mixture;
    await expectNoLeak(() => {
      expect(() => denoiser(schedule, PREDICTIONS.v)(xt, told)).toThrow();
    });
  });

  it('refuses what it is told at no time of the schedule', () => {
    const say = (predicts: Prediction, told: number) => () =>
      DISTRIBUTIONS.gaussian.denoiser(cosine({ steps: 20 }), predicts)(tf.tensor1d([1]), tf.tensor1d([told]));
    const sentence = 'which a network that predicts';
    expect(say(PREDICTIONS.v, 20)).toThrow(
      new RangeError(
        'told is 20, which a network that predicts v is told at no time of the schedule, -1 … 19',
      ),
    );
    expect(say(PREDICTIONS.v, -2)).toThrow(sentence);
    expect(say(PREDICTIONS.v, Number.NaN)).toThrow('t is NaN');
    expect(say(PREDICTIONS.flow, 1001)).toThrow(sentence);
    expect(say(PREDICTIONS.flow, -1)).toThrow(sentence);
    expect(say(PREDICTIONS.edm, 50)).toThrow(sentence);
    expect(say(PREDICTIONS.edm, Number.NaN)).toThrow(sentence);
  });

  it('refuses to say what is not defined at a time', () => {
    const say = (predicts: Prediction, told: number) => () =>
      DISTRIBUTIONS.gaussian.denoiser(rectified(), predicts)(tf.tensor1d([1]), tf.tensor1d([told]));
    expect(say(PREDICTIONS.epsilon, 1)).toThrow(
      new RangeError(
        'predicts is epsilon, which is not defined at t = 1, where the signal is 0 and the noise 1',
      ),
    );
    expect(say(PREDICTIONS.v, 0)).toThrow('predicts is v, which is not defined at t = 0');
  });

  it('refuses as many times as there are not examples', () => {
    const { gaussian } = DISTRIBUTIONS;
    const say = gaussian.denoiser(cosine({ steps: 20 }), PREDICTIONS.v);
    expect(() => say(noise(), tf.tensor1d([1, 2, 3]))).toThrow(
      'told must have one number for each example of input: 3 came for input of shape [2,2]',
    );
    expect(() => gaussian.x0(cosine({ steps: 20 }), noise(), Float64Array.of(1))).toThrow(
      't must have one number for each example of xt: 1 came for xt of shape [2,2]',
    );
  });
});

it('a previous mean asks for a discrete schedule', () => {
  const schedule = continuous((u) => 10 - 20 * u);
  expect(() => DISTRIBUTIONS.gaussian.denoiser(schedule, PREDICTIONS.previous)).toThrow(
    'needs a discrete schedule',
  );
});
