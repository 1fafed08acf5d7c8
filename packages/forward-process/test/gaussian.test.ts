import { rng, valueAndGrad } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Gaussian, gaussian, logVarianceTensor } from '../src/index.js';

/** ∫ q ln(q/p) by the trapezoidal rule, in nats. */
function quadrature(m1: number, l1: number, m2: number, l2: number): number {
  const deviation = Math.exp(l1 / 2);
  let sum = 0;
  for (let z = -10; z <= 10; z += 0.01) {
    const x = m1 + deviation * z;
    const logRatio = -0.5 * (z * z + l1) + 0.5 * ((x - m2) ** 2 * Math.exp(-l2) + l2);
    sum += 0.01 * Math.exp(-0.5 * z * z) * logRatio;
  }
  return sum / Math.sqrt(2 * Math.PI);
}

/** ln N(x; mean, variance). */
function logNormal(x: number, mean: number, variance: number): number {
  return -0.5 * ((x - mean) ** 2 / variance + Math.log(2 * Math.PI * variance));
}

/** Where ln σ² of an example of two components may stand. */
const PLACES = {
  'one number': (log: number) => log,
  'a number for each example': (log: number) => Float64Array.of(log),
  'a tensor': (log: number) => tf.fill([1, 2], log),
};
type Place = keyof typeof PLACES;
const places = Object.keys(PLACES) as Place[];
const pairs = places.flatMap((q) => places.map((p): [Place, Place] => [q, p]));

const of = (place: Place, [a, b]: [number, number], log: number): Gaussian =>
  gaussian({ mean: tf.tensor2d([[a, b]]), logVariance: PLACES[place](log) });

const number = fc.double({ min: -2, max: 2, noNaN: true });

onEachBackend(() => {
  describe.each(pairs)('with ln σ² of q %s and of p %s', (ofQ, ofP) => {
    it('kl is the integral of q ln(q/p), element by element', () => {
      fc.assert(
        fc.property(number, number, number, number, (m1, l1, m2, l2) => {
          const kl = of(ofQ, [m1, 0], l1).kl(of(ofP, [m2, 1], l2));
          expect(kl.shape).toEqual([1, 2]);
          expectAllClose(kl, [quadrature(m1, l1, m2, l2), quadrature(0, l1, 1, l2)]);
        }),
        { numRuns: 20 },
      );
    });

    it('kl is exactly 0 between equals, also where nothing is random', () => {
      for (const log of [0.7, -9, -200, Number.NEGATIVE_INFINITY]) {
        expect([
          ...of(ofQ, [0.3, -7], log)
            .kl(of(ofP, [0.3, -7], log))
            .dataSync(),
        ]).toEqual([0, 0]);
      }
    });

    it('kl keeps its digits where it is tiny', () => {
      // KL = ½ (e^δ − 1 − δ) ≈ δ²/4 for variances that differ by the factor e^δ; powers of 2 are exact in float32.
      for (const delta of [2 ** -4, 2 ** -10, -(2 ** -10), 2 ** -20]) {
        const exact = delta ** 2 / 4 + delta ** 3 / 12 + delta ** 4 / 48 + delta ** 5 / 240;
        expectAllClose(of(ofQ, [0, 0], delta).kl(of(ofP, [0, 0], 0)), [exact, exact], {
          relative: 1e-6,
          absolute: 0,
        });
      }
    });

    it('kl of what is not random from what is takes its variance for e⁻⁷⁵', () => {
      const kl = of(ofQ, [0.5, 0], Number.NEGATIVE_INFINITY).kl(of(ofP, [0, 0], -1));
      const ofVariances = 0.5 * (Math.exp(-74) - 1 + 74);
      expectAllClose(kl, [ofVariances + 0.125 * Math.E, ofVariances]);
    });
  });

  describe.each(places)('with ln σ² %s', (place) => {
    it('logProb is the logarithm of the density', () => {
      fc.assert(
        fc.property(number, number, number, (mean, log, x) => {
          expectAllClose(of(place, [mean, 1], log).logProb(tf.tensor2d([[x, -1]])), [
            logNormal(x, mean, Math.exp(log)),
            logNormal(-1, 1, Math.exp(log)),
          ]);
        }),
        { numRuns: 20 },
      );
    });

    it('logProb is finite where nothing is random: the variance counts as e⁻⁷⁵', () => {
      const p = of(place, [0.3, 2], Number.NEGATIVE_INFINITY);
      const there = 0.5 * (75 - Math.log(2 * Math.PI));
      expectAllClose(p.logProb(tf.tensor2d([[0.3, 2]])), [there, there]);
      expect(p.logProb(tf.tensor2d([[0.5, 2]])).dataSync()[0]).toBeLessThan(-1e30);
    });

    it('a sample is the mean plus σ times the normal numbers of the source', () => {
      const sample = of(place, [1, -2], 2 * Math.log(3)).sample(rng(7));
      const [a, b] = rng(7).normal([1, 2]).dataSync();
      expectAllClose(sample, [1 + 3 * a!, -2 + 3 * b!]);
    });

    it('a sample is exactly the mean where nothing is random', () => {
      const sample = of(place, [0.1, -7], Number.NEGATIVE_INFINITY).sample(rng(7));
      expectAllClose(sample, [0.1, -7], { relative: 1e-7, absolute: 0 });
    });

    it('the mode is the mean, as a tensor of its own', () => {
      const p = of(place, [0.25, -7], 1);
      const mode = p.mode();
      mode.dispose();
      expectAllClose(p.mode(), [0.25, -7], { relative: 0, absolute: 0 });
    });

    it('leaves no tensor behind', async () => {
      const p = of(place, [1, 2], -1);
      for (const other of places) {
        const q = of(other, [2, 1], 1);
        await expectNoLeak(() => p.kl(q));
      }
      await expectNoLeak(() => p.logProb(p.mean));
      await expectNoLeak(() => p.sample(rng(0)));
      await expectNoLeak(() => p.mode());
      await expectNoLeak(() => logVarianceTensor(p));
    });
  });

  it('samples have the mean and the variance that they were asked for', () => {
    const count = 40_000;
    const log = Float64Array.from({ length: count }, (_, i) => (i % 2 === 0 ? -3 : 1));
    const samples = gaussian({ mean: tf.fill([count, 1], 0.4), logVariance: log }).sample(rng(5));
    for (const part of [0, 1]) {
      const own = Array.from(samples.dataSync()).filter((_, i) => i % 2 === part);
      const sigma2 = Math.exp(log[part]!);
      const mean = own.reduce((sum, x) => sum + x, 0) / own.length;
      const variance = own.reduce((sum, x) => sum + (x - mean) ** 2, 0) / own.length;
      // Four standard errors.
      expectAllClose(mean, 0.4, { relative: 0, absolute: 4 * Math.sqrt(sigma2 / own.length) });
      expectAllClose(variance, sigma2, { relative: 4 * Math.sqrt(2 / own.length), absolute: 0 });
    }
  });

  it('each example has its own variance, whatever the rank', () => {
    for (const shape of [[2], [2, 3], [2, 1, 2, 1, 3]]) {
      const p = gaussian({ mean: tf.zeros(shape), logVariance: Float64Array.of(-1, 2) });
      const half = p.mean.size / 2;
      const each = (first: number, second: number): number[] => [
        ...new Array<number>(half).fill(first),
        ...new Array<number>(half).fill(second),
      ];
      expectAllClose(
        p.logProb(tf.ones(shape)),
        each(logNormal(1, 0, Math.exp(-1)), logNormal(1, 0, Math.exp(2))),
      );
      const normal = gaussian({ mean: tf.zeros(shape), logVariance: 0 });
      expectAllClose(normal.kl(p), each(quadrature(0, 0, 0, -1), quadrature(0, 0, 0, 2)));
      expectAllClose(tf.broadcastTo(logVarianceTensor(p), shape), each(-1, 2));
    }
  });

  it('the gradient of kl and logProb in a learned ln σ² is that of the formula, and finite at −200', () => {
    const q = gaussian({ mean: tf.tensor2d([[0.1, 0.1, 0.1, 0.1]]), logVariance: -2 });
    const mean = tf.zeros([1, 4]);
    const logs = [-200, -60, -1, 3];
    const gradient = (f: (p: Gaussian) => tf.Tensor): Float32Array | Int32Array | Uint8Array => {
      const { grads } = valueAndGrad(({ logVariance }) =>
        tf.sum(f(gaussian({ mean, logVariance: logVariance! }))),
      )({
        logVariance: tf.tensor2d([logs]),
      });
      return grads.logVariance!.dataSync();
    };
    const exact = logs.map((log) => (log < -75 ? 0 : 0.5 * (1 - (Math.exp(-2) + 0.01) * Math.exp(-log))));
    expectAllClose(
      gradient((p) => q.kl(p)),
      exact,
    );
    expectAllClose(
      gradient((p) => p.logProb(q.mean)),
      logs.map((log) => (log < -75 ? 0 : -0.5 * (1 - 0.01 * Math.exp(-log)))),
    );
  });

  it('the gradient of kl in the mean is (μ_p − μ_q)/σ_p², finite where the learned ln σ² is −200', () => {
    const q = gaussian({ mean: tf.tensor2d([[0.5, 0.5]]), logVariance: -2 });
    const gradient = (logVariance: Gaussian['logVariance']): tf.Tensor => {
      const p = { mean: tf.zeros([1, 2]) };
      return valueAndGrad(({ mean }) => tf.sum(q.kl(gaussian({ mean: mean!, logVariance }))))(p).grads.mean!;
    };
    expectAllClose(gradient(tf.tensor2d([[-200, 1]])), [-0.5 * Math.exp(75), -0.5 * Math.exp(-1)]);
    expectAllClose(gradient(1), [-0.5 * Math.exp(-1), -0.5 * Math.exp(-1)]);
    expectAllClose(gradient(Float64Array.of(-200)), [-0.5 * Math.exp(75), -0.5 * Math.exp(75)]);
  });

  it('refuses logarithms that are not one for each example, or not of the shape of the mean', () => {
    const mean = tf.zeros([2, 3]);
    expect(() => gaussian({ mean, logVariance: Float64Array.of(1) })).toThrow(
      new RangeError(
        'logVariance must have one number for each example of mean: 1 came for mean of shape [2,3]',
      ),
    );
    expect(() => gaussian({ mean, logVariance: tf.zeros([2, 1]) })).toThrow(
      new RangeError('logVariance must have the shape of mean, [2,3], not [2,1]'),
    );
    expect(() => gaussian({ mean, logVariance: [1, 2] as never })).toThrow(TypeError);
  });

  it('refuses an x or a p that would broadcast', () => {
    const q = gaussian({ mean: tf.zeros([2, 3]), logVariance: 0 });
    expect(() => q.logProb(tf.zeros([2, 1]))).toThrow(
      new RangeError('x must have the shape of the mean, [2,3], not [2,1]'),
    );
    expect(() => q.kl(gaussian({ mean: tf.zeros([1, 3]), logVariance: 0 }))).toThrow(
      new RangeError('the mean of p must have the shape of the mean, [2,3], not [1,3]'),
    );
  });
});
