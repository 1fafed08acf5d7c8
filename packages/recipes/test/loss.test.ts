import { rng } from '@diffusion-ts/tensor';
import { useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { decoderOf, forwardOf, lossOf, reverseOf } from '../src/index.js';
import { namesAt, type Setting, tiny } from './settings.js';

const T = Float64Array.of(0, 3, 6, 9);

/** The loss of a network that says 0.1, at four times. */
function lossAt(...changes: Setting[]): Float32Array {
  const config = tiny(...changes);
  return tf.tidy(() => {
    const learned = config.process.variance.startsWith('learned');
    const denoiser = (xt: tf.Tensor) => tf.fill([xt.shape[0]!, learned ? 4 : 2], 0.1);
    const reverse = reverseOf(forwardOf(config.process), config.process, denoiser, false);
    const context = { reverse, x0: rng(1).normal([4, 2]), t: T, noise: rng(2).normal([4, 2]) };
    return lossOf(config)(context).perExample.dataSync<'float32'>();
  });
}

describe('the loss of a run', () => {
  beforeAll(() => useBackend('cpu'));

  it.each(namesAt('loss.norm'))('has the norm %s, another one than the others', (norm) => {
    const others = namesAt('loss.norm').filter((other) => other !== norm);
    const loss = lossAt(['loss', { kind: 'simple', norm }]);
    expect([...loss].every((value) => value > 0 && Number.isFinite(value))).toBe(true);
    for (const other of others) expect(loss).not.toEqual(lossAt(['loss', { kind: 'simple', norm: other }]));
  });

  const [v, epsilon] = ['v', 'epsilon'].map((predicts) => ['process.predicts', predicts] as const);
  const weighted = (weighting: object): Setting => ['loss', { kind: 'simple', weighting }];
  const ratio = (predicts: Setting, weighting: object) => {
    const plain = lossAt(predicts!);
    return [...lossAt(predicts!, weighted(weighting))].map((loss, i) => loss / plain[i]!);
  };
  const level = (t: number) => forwardOf(tiny().process).schedule.level(t);
  const snr = (t: number) => Math.exp(level(t).logSnr);

  // What the squared error of ε, or of v, weighs: w(SNR)/SNR and w(SNR)/(SNR + 1) of that of x_0.
  const OF_EPSILON: Readonly<Record<string, (snr: number) => number>> = {
    'min-snr': (snr) => Math.min(snr, 5) / snr,
    'soft-min-snr': (snr) => 4 / (snr + 4),
    p2: (snr) => 1 / (1 + snr),
    sigmoid: (snr) => 1 / (1 + Math.E * snr),
    'x0-snr': () => 1,
    'max-snr-1': (snr) => Math.max(snr, 1) / snr,
    'snr-plus-1': (snr) => (snr + 1) / snr,
  };
  it.each(namesAt('loss.weighting.kind'))('has the weighting %s of its paper at every time', (kind) => {
    const expected = OF_EPSILON[kind] ?? (() => 1);
    ratio(epsilon!, { kind }).forEach((weight, i) => {
      expect(weight / expected(snr(T[i]!))).toBeCloseTo(1, 5);
    });
    if (kind === 'uniform') return;
    ratio(v!, { kind }).forEach((weight, i) => {
      const at = snr(T[i]!);
      expect(weight / ((expected(at) * at) / (at + 1))).toBeCloseTo(1, 5);
    });
  });

  it('has a weighting with the numbers that are given', () => {
    const at = snr(3);
    expect(ratio(epsilon!, { kind: 'min-snr', gamma: 0.5 })[1]).toBeCloseTo(0.5 / at, 4);
    expect(ratio(epsilon!, { kind: 'soft-min-snr', gamma: 2 })[1]).toBeCloseTo(2 / (at + 2), 4);
    expect(ratio(epsilon!, { kind: 'p2', k: 2, gamma: 0.5 })[1]).toBeCloseTo((2 + at) ** -0.5, 4);
    expect(ratio(epsilon!, { kind: 'sigmoid', bias: 1 })[1]).toBeCloseTo(1 / (1 + at / Math.E), 4);
  });

  const ofNumbers = namesAt('loss.kind').filter((kind) => !kind.includes('cross-entropy') && kind !== 'elbo');
  it.each(ofNumbers)('is finite at every time: %s', (kind) => {
    const loss = lossAt(
      ['loss', { kind }],
      ['process.variance', kind === 'hybrid' ? 'learnedRange' : 'fixedSmall'],
    );
    expect([...loss].every(Number.isFinite)).toBe(true);
  });

  it('that is hybrid adds λ T times the bound', () => {
    const learned = ['process.variance', 'learnedRange'] as const;
    const hybrid = (lambda: number) => lossAt(['loss', { kind: 'hybrid', lambda }], learned);
    const bound = lossAt(['loss', { kind: 'variational-bound' }], learned);
    const simple = lossAt(learned);
    hybrid(0.01).forEach((loss, i) => {
      expect(loss).toBeCloseTo(simple[i]! + 0.01 * 10 * bound[i]!, 5);
    });
    expect([...hybrid(0)]).toEqual([...simple]);
  });

  it('reads x_0 off as a density of points and as a probability of bytes', () => {
    const bits = (data: object) =>
      lossAt(['data', data], ['loss', { kind: 'variational-bound' }], ['process.predicts', 'x0'])[0]!;
    expect(bits({ kind: 'moons' })).not.toBeCloseTo(bits({ kind: 'mnist' }), 2);
    expect(bits({ kind: 'moons' })).toBe(bits({ kind: 'spiral' }));
    expect(decoderOf(tiny().data)).not.toBe(decoderOf(tiny(['data', { kind: 'mnist' }]).data));
  });
});
