import { type Params, rng, valueAndGrad } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend, useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  continuousBound,
  fixedGamma,
  type Gamma,
  type LossTerms,
  linearGamma,
  monotoneGamma,
  scheduleOfGamma,
} from '../src/index.js';
import { later } from './setting.js';

const MEAN = 0.3;
const DEVIATION = 0.5;
const ENDS = { min: -6, max: 4 };
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** ε̂ of data from N(MEAN, DEVIATION²): what an exact network says, told γ. */
function exactEpsilon(z: tf.Tensor, gamma: tf.Tensor): tf.Tensor {
  const g = tf.expandDims(gamma, 1);
  const [alpha, sigma] = [tf.sqrt(tf.sigmoid(tf.neg(g))), tf.sqrt(tf.sigmoid(g))];
  const power = tf.add(tf.mul(tf.square(alpha), DEVIATION ** 2), tf.square(sigma));
  return tf.div(tf.mul(sigma, tf.sub(z, tf.mul(alpha, MEAN))), power);
}

/** (ε − ε̂)² at γ of one x and ε, in float64. */
function squaredError(x: number, epsilon: number, gamma: number): number {
  const [signal, noise] = [sigmoid(-gamma), sigmoid(gamma)];
  const z = Math.sqrt(signal) * x + Math.sqrt(noise) * epsilon;
  const predicted = (Math.sqrt(noise) * (z - Math.sqrt(signal) * MEAN)) / (signal * DEVIATION ** 2 + noise);
  return (epsilon - predicted) ** 2;
}

const X = [1.1, -0.4];
const NOISE = [0.7, -1.6];
/** ½ ∫ ‖ε − ε̂‖² dγ of that example, in bits per dimension. */
const integral = (min: number, max: number): number => {
  const pieces = 20_000;
  const [width, each] = [(max - min) / pieces, Array.from({ length: pieces }, (_, i) => i)];
  const at = (i: number): number => min + (i + 0.5) * width;
  const sum = each.reduce(
    (total, i) => total + X.reduce((errors, x, d) => errors + squaredError(x, NOISE[d]!, at(i)), 0) / 2,
    0,
  );
  return (sum * width) / 2 / Math.LN2;
};

/** The terms at these times of the same example again and again, as numbers. */
function termsAt(
  gamma: Gamma,
  params: Params,
  t: Float64Array,
  steps?: number,
): Record<string, Float32Array> {
  return tf.tidy(() => {
    const rows = (row: number[]): tf.Tensor => tf.tile(tf.tensor2d([row]), [t.length, 1]);
    const terms = continuousBound(steps === undefined ? {} : { steps })({
      reverse: { denoiser: exactEpsilon, gamma, params },
      x0: rows(X),
      noise: rows(NOISE),
      t,
    });
    return Object.fromEntries(
      Object.entries(terms).map(([name, term]) => [name, term.dataSync<'float32'>()]),
    );
  });
}

const mean = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((a, b) => a + b, 0) / values.length;
const variance = (values: ArrayLike<number>): number =>
  mean(Array.from(values, (value) => (value - mean(values)) ** 2));
const midpoints = (count: number) => Float64Array.from({ length: count }, (_, i) => (i + 0.5) / count);
/** A shape that is far from a line. */
const bent = (gamma: Gamma, seed: number): Params =>
  tf.tidy(() => {
    const { 'gamma.outer': outer, ...rest } = gamma.init(rng(seed));
    return { ...rest, 'gamma.outer': tf.add(outer!, tf.mul(rng(seed + 1).normal(outer!.shape), 2)) };
  });

onEachBackend(() => {
  it('is the sum of its terms, each of which has the value of its formula', () => {
    const gamma = fixedGamma(ENDS);
    const t = Float64Array.of(0.25, 0.8);
    const { perExample, prior, reconstruction, diffusion } = termsAt(gamma, {}, t);
    const at = (u: number): number => -6 + 10 * u;
    const perDimension = (f: (x: number, epsilon: number) => number): number =>
      (f(X[0]!, NOISE[0]!) + f(X[1]!, NOISE[1]!)) / 2 / Math.LN2;
    const [signal, noise] = [sigmoid(-4), sigmoid(4)];
    const expected = {
      prior: perDimension((x) => (signal * x ** 2 + noise - 1 - Math.log(noise)) / 2),
      reconstruction: perDimension((_, epsilon) => (epsilon ** 2 + Math.log(2 * Math.PI) - 6) / 2),
    };
    expectAllClose(prior!, [expected.prior, expected.prior]);
    expectAllClose(reconstruction!, [expected.reconstruction, expected.reconstruction]);
    const diffusions = Array.from(t, (u) => perDimension((x, e) => 5 * squaredError(x, e, at(u))));
    expectAllClose(diffusion!, diffusions);
    expectAllClose(
      perExample!,
      diffusions.map((d) => d + expected.prior + expected.reconstruction),
    );
    // Of four steps: times go up to a multiple of a quarter, and γ' gives way to 4 (e^(γ(t) − γ(s)) − 1).
    const discrete = termsAt(gamma, {}, t, 4).diffusion!;
    const ofStep = (u: number): number =>
      perDimension((x, e) => 2 * Math.expm1(2.5) * squaredError(x, e, at(u)));
    expectAllClose(discrete, [ofStep(0.25), ofStep(1)]);
  });

  it('leaves no tensor behind', async () => {
    const gamma = monotoneGamma({ ...ENDS, hidden: 4 });
    const params = gamma.init(rng(1));
    await expectNoLeak(() => void termsAt(gamma, params, midpoints(3)));
    const x0 = tf.tensor2d([X]);
    await expectNoLeak(() => {
      const { value, grads } = valueAndGrad(
        (params) =>
          tf.mean(
            continuousBound()({ reverse: { denoiser: exactEpsilon, gamma, params }, x0, noise: x0, t: 0.4 })
              .perExample,
          ) as tf.Scalar,
      )(params);
      tf.dispose([value, grads]);
    });
  });
});

describe('in continuous time', () => {
  beforeAll(() => useBackend('cpu'));

  it('the bound does not depend on the shape of γ between its ends: it is ½ ∫ ‖ε − ε̂‖² dγ', () => {
    const expected = integral(ENDS.min, ENDS.max);
    const monotone = monotoneGamma({ ...ENDS, hidden: 8 });
    const shapes: [Gamma, Params][] = [
      [fixedGamma(ENDS), {}],
      [monotone, bent(monotone, 1)],
      [monotone, bent(monotone, 5)],
    ];
    const estimates = shapes.map(([gamma, params]) => termsAt(gamma, params, midpoints(4000)).diffusion!);
    for (const estimate of estimates)
      expectAllClose(mean(estimate), expected, { relative: 1e-4, absolute: 0 });
    // The shapes do differ: so do the terms at each time.
    expect(Math.abs(estimates[1]![2000]! / estimates[0]![2000]! - 1)).toBeGreaterThan(0.1);
    expect(Math.abs(estimates[2]![2000]! / estimates[1]![2000]! - 1)).toBeGreaterThan(0.1);
  });

  it('the bound of T steps exceeds it in proportion to 1/T', () => {
    const limit = integral(ENDS.min, ENDS.max);
    const gaps = [64, 128, 256, 512].map((steps) => {
      const all = Float64Array.from({ length: steps }, (_, i) => (i + 1) / steps);
      return mean(termsAt(fixedGamma(ENDS), {}, all, steps).diffusion!) - limit;
    });
    for (const [i, gap] of gaps.slice(1).entries()) expect(gaps[i]! / gap).toBeCloseTo(2, 0.7);
    for (const gap of gaps) expect(gap).toBeGreaterThan(0);
  });

  it('meets −log₂ p of Gaussian data where the network is exact and the ends are far', () => {
    // All terms are quadratic in x and ε, for which the two points ±1 are an exact quadrature.
    const signs = [-1, 1].flatMap((a) => [-1, 1].map((b) => [a, b] as const));
    const t = midpoints(2000);
    const bound = tf.tidy(() =>
      signs.map(([a, b]) => {
        const of = (value: number): tf.Tensor => tf.fill([t.length, 1], value);
        return mean(
          continuousBound()({
            reverse: { denoiser: exactEpsilon, gamma: fixedGamma({ min: -12, max: 9 }), params: {} },
            x0: of(MEAN + a * DEVIATION),
            noise: of(b),
            t,
          }).perExample.dataSync(),
        );
      }),
    );
    const entropy = Math.log2(2 * Math.PI * Math.E * DEVIATION ** 2) / 2;
    expect(mean(bound)).toBeGreaterThan(entropy - 1e-4);
    expect(mean(bound)).toBeLessThan(entropy + 1e-3);
  });
});

describe('a learned γ', () => {
  beforeAll(() => useBackend('cpu'));

  const gamma = monotoneGamma({ ...ENDS, hidden: 6 });
  const COUNT = 64;
  const context = (params: Params) => ({
    reverse: { denoiser: exactEpsilon, gamma, params },
    x0: tf.tensor2d(Array.from({ length: COUNT }, () => X)),
    noise: tf.tensor2d(Array.from({ length: COUNT }, () => NOISE)),
    t: midpoints(COUNT),
  });
  const meanOf = (params: Params, of: (terms: LossTerms) => tf.Tensor): number =>
    tf.tidy(() => tf.mean(of(continuousBound()(context(params)))).dataSync()[0]!);

  it('has at its ends the gradient of the bound, and between them that of the squared term', () => {
    const params = bent(gamma, 3);
    const { grads } = valueAndGrad(
      (params) => tf.mean(continuousBound()(context(params)).perExample) as tf.Scalar,
    )(params);
    const slope = (name: string, of: (terms: LossTerms) => tf.Tensor): number => {
      const step = 0.02;
      const moved = (by: number): Params => ({ ...params, [name]: tf.add(params[name]!, by) });
      return (meanOf(moved(step), of) - meanOf(moved(-step), of)) / (2 * step);
    };
    for (const name of ['gamma.min', 'gamma.max']) {
      expectAllClose(
        tf.sum(grads[name]!),
        slope(name, ({ perExample }) => perExample),
        { relative: 2e-2, absolute: 2e-4 },
      );
    }
    for (const name of ['gamma.inner', 'gamma.bias']) {
      const expected = slope(name, ({ diffusion }) => tf.square(diffusion!));
      expect(Math.abs(expected)).toBeGreaterThan(0.01);
      expectAllClose(tf.sum(grads[name]!), expected, { relative: 2e-2, absolute: 2e-4 });
    }
  });

  it('trained so lowers the variance of the estimate, and moves the bound nowhere', () => {
    const draw = (params: Params, seed: number, count: number): LossTerms => {
      const t = rng(seed).fork('t').doubles(count);
      const x0 = tf.add(tf.mul(rng(seed).fork('x').normal([count, 8]), DEVIATION), MEAN);
      const noise = rng(seed).fork('noise').normal([count, 8]);
      return continuousBound()({ reverse: { denoiser: exactEpsilon, gamma, params }, x0, noise, t });
    };
    const measured = (params: Params): ArrayLike<number> =>
      tf.tidy(() => draw(params, 1000, 4000).diffusion!.dataSync());
    const start = gamma.init(rng(4));
    let params = start;
    for (let step = 0; step < 60; step++) {
      const { grads } = valueAndGrad((params) => tf.mean(draw(params, step, 64).perExample) as tf.Scalar)(
        params,
      );
      // The ends stay, so that the bound is the same.
      const { 'gamma.min': min, 'gamma.max': max, ...inner } = params;
      const norm = Math.hypot(...Object.keys(inner).map((name) => tf.norm(grads[name]!).dataSync()[0]!));
      const moved = Object.entries(inner).map(([name, value]) => [
        name,
        tf.sub(value, tf.mul(grads[name]!, 0.15 / norm)),
      ]);
      params = { 'gamma.min': min!, 'gamma.max': max!, ...Object.fromEntries(moved) };
    }
    const [before, after] = [measured(start), measured(params)];
    expect(variance(after) / variance(before)).toBeLessThan(0.6);
    // Four standard errors of the difference.
    const error = Math.sqrt((variance(before) + variance(after)) / 4000);
    expect(Math.abs(mean(after) - mean(before))).toBeLessThan(4 * error);
  });

  it('rises from min to max without ever falling, and its slope is that of finite differences', () => {
    const params = bent(gamma, 7);
    const [value, slope] = tf.tidy(() => {
      const { value, slope } = gamma.shape(params, tf.linspace(0, 1, 101));
      return [value.dataSync(), slope.dataSync()];
    });
    expectAllClose([value![0]!, value![100]!], [0, 1]);
    for (let i = 1; i < 100; i++) {
      expect(value![i + 1]!).toBeGreaterThan(value![i]!);
      expectAllClose(slope![i]!, (value![i + 1]! - value![i - 1]!) / 0.02, {
        relative: 2e-2,
        absolute: 1e-3,
      });
    }
  });

  it('is read off as a schedule of the host', async () => {
    const params = bent(gamma, 7);
    const schedule = await scheduleOfGamma(gamma, params);
    const shape = tf.tidy(() => gamma.shape(params, tf.tensor1d([0.1, 0.5, 1])).value.dataSync());
    for (const [i, u] of [0.1, 0.5, 1].entries()) {
      expectAllClose(schedule.level(u).logSnr, 6 - 10 * shape[i]!, { relative: 1e-4, absolute: 1e-4 });
    }
  });
});

it('refuses what is no γ, no number of steps, and a network that answers later', async () => {
  await useBackend('cpu');
  expect(() => linearGamma({ min: 5, max: 5 })).toThrow(
    new RangeError('min is 5 and max 5, expected γ to grow from one to the other'),
  );
  expect(() => monotoneGamma({ hidden: 0 })).toThrow(
    new RangeError('hidden must be a whole number from 1 on, not 0'),
  );
  expect(() => continuousBound({ steps: 0.5 })).toThrow(
    new RangeError('steps must be a whole number from 1 on, not 0.5'),
  );
  const reverse = { denoiser: later(exactEpsilon), gamma: fixedGamma(), params: {} };
  const x0 = tf.tensor2d([X]);
  expect(() => continuousBound()({ reverse, x0, noise: x0, t: 0.5 })).toThrow(/answers with a promise/);
});
