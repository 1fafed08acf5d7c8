import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { gaussianKl } from '../src/index.js';

const of = (mean: number, logVariance: number) => ({
  mean: tf.scalar(mean),
  logVariance: tf.scalar(logVariance),
});

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

onEachBackend(() => {
  it('is the integral of q ln(q/p)', () => {
    const number = fc.double({ min: -2, max: 2, noNaN: true });
    fc.assert(
      fc.property(number, number, number, number, (m1, l1, m2, l2) => {
        expectAllClose(gaussianKl(of(m1, l1), of(m2, l2)), quadrature(m1, l1, m2, l2), { relative: 1e-5 });
      }),
      { numRuns: 50 },
    );
  });

  it('is zero between equals, and keeps its digits where it is tiny', () => {
    expect(gaussianKl(of(0.3, -9), of(0.3, -9)).dataSync()[0]).toBe(0);
    // KL = ½ (e^δ − 1 − δ) ≈ δ²/4 for variances that differ by the factor e^δ; δ = 2⁻¹⁰ is exact in float32.
    const delta = 2 ** -10;
    const exact = 0.5 * (Math.expm1(delta) - delta);
    expectAllClose(gaussianKl(of(0, delta), of(0, 0)), exact, { relative: 1e-4, absolute: 0 });
  });

  it('broadcasts variances against means', () => {
    const q = { mean: tf.ones([2, 3]), logVariance: tf.zeros([2, 1]) };
    const kl = gaussianKl(q, { mean: tf.scalar(0), logVariance: tf.scalar(0) });
    expect(kl.shape).toEqual([2, 3]);
    expectAllClose(kl, new Array(6).fill(0.5));
  });

  it('leaves no tensor behind', async () => {
    const [q, p] = [of(0, 1), of(1, 0)];
    await expectNoLeak(() => gaussianKl(q, p));
  });
});
