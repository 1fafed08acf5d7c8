import { type NoiseLevel, rectified, varianceExploding } from '@diffusion-ts/schedules';
import { rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { moments, toBatch, transposed } from '../src/conformance/batch.js';
import { brownianTree, freshNoise, type Noise } from '../src/index.js';

const straight = rectified();
const edm = varianceExploding();

/** The level at a point of the tree, so that its SNR is ((k/n)/(1 − k/n))⁸ there and nowhere near. */
const dyadic = (k: number, n: number): NoiseLevel =>
  straight.level(straight.timeOf(8 * Math.log(k / (n - k))));
const snr = ({ alpha, sigma }: NoiseLevel): number => (alpha / sigma) ** 2;

/** W(b) − W(a), read back. */
function increment(noise: Noise, from: NoiseLevel, to: NoiseLevel): number[] {
  const z = noise.between(from, to);
  const [values] = [Array.from(z.dataSync(), (value) => Math.sqrt(snr(to) - snr(from)) * value)];
  z.dispose();
  return values;
}

onEachBackend(() => {
  test('the noise of two adjacent intervals adds up to that of their union, asked for in any order', () => {
    const noise = brownianTree(rng(3), [5, 2]);
    const [a, b, c] = [dyadic(5, 64), dyadic(31, 128), dyadic(9, 32)] as [NoiseLevel, NoiseLevel, NoiseLevel];
    const whole = increment(noise, a, c);
    const [first, second] = [increment(noise, a, b), increment(noise, b, c)];
    expectAllClose(
      first.map((value, i) => value + second[i]!),
      whole,
      { relative: 1e-5, absolute: 1e-6 * Math.sqrt(snr(c) - snr(a)) },
    );
    expect(increment(noise, a, c)).toEqual(whole);
    const other = brownianTree(rng(3), [5, 2]);
    expect(increment(other, b, c)).toEqual(second);
    noise.dispose();
    other.dispose();
  });

  test('what it frees is all that it kept, twenty tensors for one way', async () => {
    const before = tf.memory().numTensors;
    const noise = brownianTree(rng(1), [3]);
    for (let k = 1; k < 40; k++) noise.between(edm.level(80 / k), edm.level(80 / (k + 1))).dispose();
    expect(tf.memory().numTensors - before).toBeLessThanOrEqual(20);
    expect(tf.memory().numTensors - before).toBeGreaterThan(10);
    noise.dispose();
    expect(tf.memory().numTensors).toBe(before);
    await expectNoLeak(() => {
      const fresh = freshNoise(rng(1), [3]);
      fresh.dispose();
      return fresh.between(edm.level(2), edm.level(1));
    });
  });
});

onEachBackend(() => {
  test('on intervals that do not overlap it is standard normal and independent, from pure noise to the data', () => {
    const levels = [
      straight.level(1),
      ...[80, 30, 29.5, 3, 0.7, 0.69, 0.04, 0.002].map((ratio) => straight.level(ratio / (1 + ratio))),
      straight.level(0),
    ];
    const count = 6000;
    const noise = brownianTree(rng(11), [count / 4, 4]);
    const columns = levels.slice(1).map((to, i) => {
      const z = noise.between(levels[i]!, to);
      const values = Array.from(z.dataSync());
      z.dispose();
      return values;
    });
    noise.dispose();
    const { mean, covariance } = moments(transposed(columns));
    const miss = (value: number, expected: number): number => Math.abs(value - expected) * Math.sqrt(count);
    expect(Math.max(...mean.map((value) => miss(value, 0)))).toBeLessThan(4);
    expect(Math.max(...covariance.map((row, i) => miss(row[i]!, 1)))).toBeLessThan(4 * Math.SQRT2);
    const across = covariance.flatMap((row, i) => row.slice(0, i).map((value) => miss(value, 0)));
    expect(Math.max(...across)).toBeLessThan(4);
  });

  test('noise over an interval and over its first half are as correlated as W says: the root of the share of SNR', () => {
    const [a, b, c] = [dyadic(1, 4), dyadic(5, 16), dyadic(11, 32)] as [NoiseLevel, NoiseLevel, NoiseLevel];
    const count = 6000;
    const noise = brownianTree(rng(2), [count / 4, 4]);
    const [part, whole] = [noise.between(a, b), noise.between(a, c)];
    const correlation = moments(transposed([toBatch(part).flat(), toBatch(whole).flat()])).covariance[0]![1]!;
    const expected = Math.sqrt((snr(b) - snr(a)) / (snr(c) - snr(a)));
    expect(expected).toBeGreaterThan(0.5);
    expect(expected).toBeLessThan(0.8);
    expect(Math.abs(correlation - expected)).toBeLessThan((4 * (1 - expected ** 2)) / Math.sqrt(count));
    tf.dispose([part, whole]);
    noise.dispose();
  });

  test('row i is the same in any batch', () => {
    const all = brownianTree(rng(5), [3, 2]);
    const last = brownianTree(rng(5).rows(1), [2, 2]);
    const [from, to] = [edm.level(7), edm.level(0.3)];
    const [z, zLast] = [all.between(from, to), last.between(from, to)];
    expect(toBatch(z).slice(1)).toEqual(toBatch(zLast));
    tf.dispose([z, zLast]);
    all.dispose();
    last.dispose();
  });

  test('levels too near to one another to be told apart get noise of their own each time', () => {
    const noise = brownianTree(rng(5), [2]);
    const [from, to] = [edm.level(1), edm.level(1 - 1e-9)];
    const draws = [noise.between(from, to), noise.between(from, to)];
    expect(toBatch(draws[0]!)).not.toEqual(toBatch(draws[1]!));
    tf.dispose(draws);
    noise.dispose();
  });

  test('levels less than 1e-3 apart in log-SNR are told apart, from −20 to 20', () => {
    for (let logSnr = -20; logSnr < 20; logSnr += 2) {
      const noise = brownianTree(rng(5), [2]);
      const [from, to] = [logSnr, logSnr + 1e-3].map((l) => straight.level(straight.timeOf(l)));
      const draws = [noise.between(from!, to!), noise.between(from!, to!)];
      expect(toBatch(draws[0]!)).toEqual(toBatch(draws[1]!));
      tf.dispose(draws);
      noise.dispose();
    }
  });

  test('fresh noise is the next draw of its rng', () => {
    const [noise, source] = [freshNoise(rng(5), [2, 3]), rng(5)];
    for (let k = 0; k < 2; k++) {
      const [z, drawn] = [noise.between(edm.level(2), edm.level(1)), source.normal([2, 3])];
      expect(toBatch(z)).toEqual(toBatch(drawn));
      tf.dispose([z, drawn]);
    }
    noise.dispose();
  });
}, ['cpu']);
