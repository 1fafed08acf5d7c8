import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import {
  fixedSmall,
  flowPrediction,
  type Prediction,
  reverseProcess,
  trainedOn,
  vPrediction,
  x0Prediction,
} from '@diffusion-ts/reverse-process';
import {
  continuous,
  cosine,
  type NoiseSchedule,
  rectified,
  times,
  varianceExploding,
} from '@diffusion-ts/schedules';
import { finish, rng } from '@diffusion-ts/tensor';
import { expectAllClose, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it, test } from 'vitest';
import { ddim, dpmSolverPlusPlus, type Sampler } from '../src/index.js';

/** A network that mixes the elements of an example and heeds what it is told. */
const network = (xt: tf.Tensor, told: tf.Tensor1D): tf.Tensor =>
  tf.tidy(() => {
    const time = tf.expandDims(tf.sin(tf.mul(told, 3)), 1);
    return tf.tanh(tf.add(tf.mul(tf.reverse(xt, 1), 0.8), tf.mul(time, tf.cos(xt))));
  });

const preserving = continuous((u) => 9 - 14 * u);
const straight = rectified();
const LOG_SNRS = [-5, -3.5, -2, -0.7, 0.4, 1.5, 3, 5, 8.5];

/** Every x of the way through these levels, each over √(α² + σ²), and x_0 at its end. */
async function way(
  schedule: NoiseSchedule,
  predicts: Prediction,
  sampler: (times: NonNullable<Parameters<typeof ddim>[0]>['times'] & object) => Sampler,
): Promise<number[][]> {
  const list = [...LOG_SNRS.map((logSnr) => schedule.timeOf(logSnr)), schedule.start];
  const forward = gaussianDiffusion(schedule);
  const reverse = reverseProcess({ forward, denoiser: network, predicts, variance: fixedSmall });
  const size = (t: number): number => {
    const { alpha, sigma } = schedule.level(t);
    return Math.hypot(alpha, sigma);
  };
  const z = rng(4).normal([3, 4]);
  const xT = tf.tidy(() => tf.mul(z, size(list[0]!)));
  const seen: number[][] = [];
  const steps = sampler(times(list))(reverse, xT, {});
  const last = await finish(steps, ({ x, from }) => {
    seen.push(Array.from(x.dataSync(), (value) => value / size(from.t)));
  });
  seen.push(Array.from(last.dataSync()));
  tf.dispose([z, xT, last]);
  return seen;
}

const SAMPLERS = {
  ddim: (list) => ddim({ times: list }),
  'dpm-solver++': (list) => dpmSolverPlusPlus({ times: list }),
} as const satisfies Record<string, Parameters<typeof way>[2]>;

onEachBackend(() => {
  for (const [name, sampler] of Object.entries(SAMPLERS)) {
    test(`a network of v is the same diffusion on the straight path and in EDM’s frame, step by step: ${name}`, async () => {
      const own = await way(preserving, vPrediction, sampler);
      expect(own.length).toBe(LOG_SNRS.length + 1);
      for (const schedule of [straight, varianceExploding(), rectified({ shift: 3 })]) {
        const other = await way(schedule, trainedOn(preserving, vPrediction), sampler);
        own.forEach((x, i) => {
          expectAllClose(other[i]!, x, { relative: 2e-5, absolute: 2e-5 });
        });
      }
    });

    test(`a network of flow matching is the same flow on a schedule of diffusion, step by step: ${name}`, async () => {
      const own = await way(straight, flowPrediction, sampler);
      const other = await way(preserving, trainedOn(straight, flowPrediction), sampler);
      own.forEach((x, i) => {
        expectAllClose(other[i]!, x, { relative: 2e-5, absolute: 2e-5 });
      });
      // On other paths without the change of frame it is another network.
      const wrong = await way(preserving, flowPrediction, sampler);
      const apart = wrong.at(-1)!.map((x, i) => Math.abs(x - own.at(-1)![i]!));
      expect(Math.max(...apart)).toBeGreaterThan(1e-2);
    });
  }
});

describe('a network seen from another schedule', () => {
  it('is asked at x_t of its own schedule and at its own time, and answers with the same x_0', () => {
    const own = cosine({ steps: 50 });
    const { alpha, sigma, logSnr } = own.level(20);
    const there = straight.level(straight.timeOf(logSnr));
    const { skip, out, in: scale, told } = trainedOn(own, vPrediction).at(there, straight);
    // x_t = α x_0 + σ ε of both, of x_0 = 0.3 and ε = −1.2.
    const [x, xThere] = [0.3 * alpha - 1.2 * sigma, 0.3 * there.alpha - 1.2 * there.sigma];
    expect(scale! * xThere).toBeCloseTo(x, 12);
    expect(told).toBeCloseTo(20, 9);
    expect(skip * xThere + out * (alpha * -1.2 - sigma * 0.3)).toBeCloseTo(0.3, 12);
  });

  it('is asked at the ends of its own schedule beyond them: where no signal is left as at its last step', () => {
    const own = cosine({ steps: 50 });
    const at = trainedOn(own, vPrediction).at;
    expect(at(straight.level(1), straight).told).toBeCloseTo(49, 9);
    expect(at(straight.level(1e-9), straight).told).toBe(0);
    const { skip, out } = at(straight.level(1), straight);
    const end = own.level(49);
    expect([skip, out]).toEqual([expect.closeTo(end.alpha, 9), expect.closeTo(-end.sigma, 9)]);
  });

  it('is what it was on its own schedule', () => {
    const own = rectified({ shift: 2 });
    for (const t of [0.01, 0.3, 0.99]) {
      const level = own.level(t);
      const [seen, said] = [trainedOn(own, x0Prediction), x0Prediction].map((p) => p.at(level, own));
      expect(seen).toMatchObject({ ...said, in: expect.closeTo(1, 12), told: expect.closeTo(t, 12) });
    }
  });
});
