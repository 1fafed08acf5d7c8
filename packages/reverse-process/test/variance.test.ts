import { gaussianDiffusion, logVarianceTensor } from '@diffusion-ts/forward-process';
import { fromBetas, linear, type NoiseSchedule, sections, trailing } from '@diffusion-ts/schedules';
import { type PerExample, rng } from '@diffusion-ts/tensor';
import { expectAllClose, golden, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import {
  atOnce,
  fixedLarge,
  fixedSmall,
  learnedRange,
  learnedVariance,
  reverseProcess,
  VARIANCES,
  type Variance,
  vPrediction,
} from '../src/index.js';
import { SCHEDULES, type ScheduleName } from './schedules.js';

const schedule = linear({ steps: 50 });
const { betas } = schedule;

/** β̃_t of eq. 7 of Ho et al. 2020. */
function betaTilde(table: ArrayLike<number>, t: number): number {
  let before = 1;
  for (let i = 0; i < t; i++) before *= 1 - table[i]!;
  return (table[t]! * (1 - before)) / (1 - before * (1 - table[t]!));
}

/** σ² of a step, the network having said `raw` of it. */
function sigma2(variance: Variance, t: number, s: number, raw = 0, on: NoiseSchedule = schedule): number {
  const { offset, ofRaw } = variance.at(on, t, s);
  return Math.exp(offset + ofRaw * raw);
}

/** β and β̃ from one level to another, from the variances that x_t and x_s have. */
function between(on: NoiseSchedule, t: number, s: number): { beta: number; tilde: number } {
  const [from, to] = [on.level(t), on.level(s)];
  const beta = from.sigma ** 2 - ((from.alpha / to.alpha) * to.sigma) ** 2;
  return { beta, tilde: (beta * to.sigma ** 2) / from.sigma ** 2 };
}

const tight = { relative: 1e-9, absolute: 0 };

it('the table has every variance under its own name, and two of them are learned', () => {
  expect(Object.entries(VARIANCES).map(([name, { learned }]) => [name, learned])).toEqual([
    ['fixedSmall', false],
    ['fixedLarge', false],
    ['learned', true],
    ['learnedRange', true],
  ]);
  for (const [name, variance] of Object.entries(VARIANCES)) expect(variance.name).toBe(name);
});

describe('on the steps of the schedule', () => {
  it('fixedSmall is β̃_t, and β̃ of index 1 at index 0', () => {
    expectAllClose(
      [0, 1, 49].map((t) => sigma2(fixedSmall, t, t - 1)),
      [1, 1, 49].map((t) => betaTilde(betas, t)),
      tight,
    );
  });

  it('fixedLarge is β_t, and β̃ of index 1 at index 0', () => {
    expectAllClose(
      [0, 1, 49].map((t) => sigma2(fixedLarge, t, t - 1)),
      [betaTilde(betas, 1), betas[1]!, betas[49]!],
      tight,
    );
  });

  it('learned is the logarithm that the network says', () => {
    for (const t of [0, 1, 49]) {
      expect(learnedVariance.at(schedule, t, t - 1)).toEqual({ offset: 0, ofRaw: 1 });
    }
  });

  it('learned is what the network says where there is one step alone, and at a time before the first', () => {
    const own = { offset: 0, ofRaw: 1 };
    expect(learnedVariance.at(fromBetas([0.3]), 0, -1)).toEqual(own);
    expect(learnedVariance.at(schedule, -0.5, -1)).toEqual(own);
    // From there on half way to the data it lies as far from β̃ to β as there.
    const [{ tilde }, next] = [between(schedule, 0.5, -0.5), between(schedule, -0.5, -0.75)];
    expectAllClose(sigma2(learnedVariance, -0.5, -0.75, Math.log(tilde)), next.tilde, tight);
  });

  it('learnedRange is β̃_t at −1, β_t at 1 and their geometric mean at 0', () => {
    const at = (raw: number) => [0, 1, 49].map((t) => sigma2(learnedRange, t, t - 1, raw));
    const small = [1, 1, 49].map((t) => betaTilde(betas, t));
    const large = [betas[0]!, betas[1]!, betas[49]!];
    expectAllClose(at(-1), small, tight);
    expectAllClose(at(1), large, tight);
    expectAllClose(
      at(0),
      small.map((variance, i) => Math.sqrt(variance * large[i]!)),
      tight,
    );
  });
});

describe('respaced as in Nichol and Dhariwal 2021', () => {
  /** The β of a process of the kept steps alone: 1 − ᾱ_{S_i}/ᾱ_{S_{i−1}}. */
  function respaced(kept: readonly number[], table: Float64Array): number[] {
    let product = 1;
    const alphaBars = table.map((beta) => {
      product *= 1 - beta;
      return product;
    });
    return kept.map((t, i) => 1 - alphaBars[t]! / (i === 0 ? 1 : alphaBars[kept[i - 1]!]!));
  }

  it.each([
    ['trailing(10)', trailing(10)],
    ['sections([5, 3, 2])', sections([5, 3, 2])],
  ] as const)('fixedSmall, fixedLarge and learnedRange have the β̃ and β of that process: %s', (_, times) => {
    const kept = [...times(schedule)].reverse().slice(1);
    const table = respaced(kept, betas);
    for (let i = 1; i < kept.length; i++) {
      const [t, s] = [kept[i]!, kept[i - 1]!];
      const [small, large] = [betaTilde(table, i), table[i]!];
      expectAllClose(sigma2(fixedSmall, t, s), small, tight);
      expectAllClose(sigma2(fixedLarge, t, s), large, tight);
      expectAllClose(
        [-1, -0.5, 0, 1].map((raw) => sigma2(learnedRange, t, s, raw)),
        [small, small ** 0.75 * large ** 0.25, Math.sqrt(small * large), large],
        tight,
      );
    }
  });

  it.each(golden<{ steps: number; spec: string; timesteps: number[]; betas: number[] }[]>('respacing'))(
    'fixedLarge is the β of the reference: $spec of $steps',
    ({ steps, timesteps, betas }) => {
      const schedule = linear({ steps, start: 1e-4, end: 0.02 });
      const found = timesteps.slice(1).map((t, i) => sigma2(fixedLarge, t, timesteps[i]!, 0, schedule));
      expectAllClose(found, betas.slice(1), tight);
      const small = timesteps.slice(1).map((t, i) => sigma2(fixedSmall, t, timesteps[i]!, 0, schedule));
      expectAllClose(
        small,
        betas.slice(1).map((_, i) => betaTilde(betas, i + 1)),
        tight,
      );
    },
  );

  it('a learned variance lies as far between the extremes of a long step as between those of its own', () => {
    for (const [t, s] of [
      [40, 20],
      [49, 0],
      [10, 8.5],
      [10.5, 3],
      [7, 6.5],
    ] as const) {
      const [own, asked] = [between(schedule, t, t - 1), between(schedule, t, s)];
      for (const part of [-0.3, 0, 0.4, 1]) {
        const raw = (1 - part) * Math.log(own.tilde) + part * Math.log(own.beta);
        const expected = asked.tilde ** (1 - part) * asked.beta ** part;
        expectAllClose(sigma2(learnedVariance, t, s, raw), expected, { relative: 1e-7, absolute: 0 });
      }
    }
  });
});

describe.each(Object.keys(SCHEDULES) as ScheduleName[])(
  'between any two levels of the %s schedule',
  (name) => {
    const on = SCHEDULES[name];
    const { least, end, start } = on;

    it('fixedSmall is β̃ and fixedLarge β, and learnedRange goes from the one to the other', () => {
      for (const [u, v] of [
        [1, 0.3],
        [0.62, 0.61],
        [0.5, 0],
      ] as const) {
        const [t, s] = [least + u * (end - least), least + v * (end - least)];
        const { beta, tilde } = between(on, t, s);
        const found = [fixedSmall, fixedLarge].map((variance) => sigma2(variance, t, s, 0, on));
        const range = [-1, 1].map((raw) => sigma2(learnedRange, t, s, raw, on));
        expectAllClose(found, [tilde, beta], { relative: 1e-6, absolute: 0 });
        expectAllClose(range, found, tight);
      }
    });

    it('is finite and above 0 in the last step, from the noise as from the least noise', () => {
      for (const variance of [fixedSmall, fixedLarge, learnedRange]) {
        for (const t of [least, end]) {
          for (const raw of [-1, 1]) {
            const value = sigma2(variance, t, start, raw, on);
            // At most what all the noise of x_t amounts to.
            expect(value).toBeGreaterThan(0);
            expect(value).toBeLessThanOrEqual(on.level(t).sigma ** 2 * (1 + 1e-12));
          }
        }
      }
    });
  },
);

it('learned is refused where there are no steps', () => {
  expect(() => learnedVariance.at(SCHEDULES.rectified, 0.5, 0.4)).toThrow(
    new RangeError(
      "variance 'learned' is that of a step of a discrete schedule: in continuous time take 'learnedRange'",
    ),
  );
});

onEachBackend(() => {
  const process = (variance: Variance, on: NoiseSchedule, raw = 0) =>
    reverseProcess({
      forward: gaussianDiffusion(on),
      denoiser: (xt) =>
        variance.learned ? tf.concat([tf.mul(xt, 0.5), tf.fill(xt.shape, raw)], -1) : tf.mul(xt, 0.5),
      predicts: vPrediction,
      variance,
    });

  it('each element has the variance that the network says of it, at each example’s own step', () => {
    const xt = rng(1).normal([3, 2, 2]);
    const raws = rng(2).normal([3, 2, 2]);
    const [t, s] = [Float64Array.of(0, 20, 49), Float64Array.of(-1, 19, 10)];
    for (const variance of [learnedRange, learnedVariance]) {
      const reverse = { ...process(variance, schedule), denoiser: () => tf.concat([xt, raws], -1) };
      const { logVariance } = atOnce(reverse.evaluate(xt, t)).to(s);
      const values = raws.dataSync();
      const expected = Array.from(values, (raw, i) => {
        const { offset, ofRaw } = variance.at(schedule, t[Math.floor(i / 4)]!, s[Math.floor(i / 4)]!);
        return offset + ofRaw * raw;
      });
      expectAllClose(logVariance as tf.Tensor, expected);
    }
  });

  it('a fixed one is a number of the host, one for all or one for each example', () => {
    const xt = rng(1).normal([2, 3]);
    const log = (t: PerExample, s: PerExample) =>
      atOnce(process(fixedLarge, schedule).evaluate(xt, t)).to(s).logVariance;
    expectAllClose(Math.exp(log(20, 19) as number), betas[20]!, tight);
    const each = log(20, Float64Array.of(19, 10)) as Float64Array;
    expectAllClose(each.map(Math.exp), [betas[20]!, between(schedule, 20, 10).beta], tight);
  });

  describe.each([
    ['linear', 80, 40],
    ['linear', 40, 39.5],
    ['continuous', 0.9, 0.5],
    ['variance exploding', 10, 4],
    ['rectified', 1, 0.6],
  ] as const)('on the %s schedule from %s to %s', (name, t, s) => {
    const on = SCHEDULES[name];
    const { beta, tilde } = between(on, t, s);
    it.each([
      [fixedSmall, 0, tilde],
      [fixedLarge, 0, beta],
      [learnedRange, -1, tilde],
      [learnedRange, 0.5, tilde ** 0.25 * beta ** 0.75],
      ...(on.steps === undefined
        ? []
        : ([[learnedVariance, Math.log(between(on, t, t - 1).tilde), tilde]] as const)),
    ] as const)('samples have the variance of $name with raw %s', (variance, raw, expected) => {
      const count = 40_000;
      const xt = tf.fill([count, 1], 0.8);
      const p = atOnce(process(variance, on, raw).evaluate(xt, t)).to(s);
      const moments = tf.moments(tf.sub(p.sample(rng(9)), p.mean));
      // Four standard errors.
      expectAllClose(moments.variance, expected, { relative: 4 * Math.sqrt(2 / count), absolute: 0 });
      expectAllClose(moments.mean, 0, { relative: 0, absolute: 4 * Math.sqrt(expected / count) });
    });
  });

  it('a mixture of the posteriors of many x_0 has the marginal at s, whatever the two levels', () => {
    // q(x_s) = ∫ q(x_s | x_t, x_0) q(x_t, x_0): where the network knows x_0, fixedSmall is the right variance.
    const count = 40_000;
    const x0 = tf.fill([count, 1], 0.7);
    for (const [name, t, s] of [
      ['linear', 90, 30],
      ['rectified', 1, 0.4],
    ] as const) {
      const on = SCHEDULES[name];
      const forward = gaussianDiffusion(on);
      const noise = rng(3).normal([count, 1]);
      const xt = forward.sample(x0, t, noise);
      const reverse = process(fixedSmall, on);
      const knowing = { ...reverse, denoiser: () => reverse.target(x0, t, noise) };
      const samples = atOnce(knowing.evaluate(xt, t)).to(s).sample(rng(4));
      const { mean, variance } = tf.moments(samples);
      const { alpha, sigma } = on.level(s);
      expectAllClose(variance, sigma ** 2, { relative: 4 * Math.sqrt(2 / count), absolute: 0 });
      expectAllClose(mean, 0.7 * alpha, { relative: 0, absolute: (4 * sigma) / Math.sqrt(count) });
    }
  });

  it('the logarithm broadcasts against the mean', () => {
    const p = atOnce(process(fixedSmall, schedule).evaluate(tf.zeros([2, 3, 1]), Float64Array.of(3, 4))).to(
      1,
    );
    expect(logVarianceTensor(p).shape).toEqual([2, 1, 1]);
  });
});
