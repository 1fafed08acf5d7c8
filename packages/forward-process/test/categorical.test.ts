import { rng, valueAndGrad } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { bernoulli, categorical } from '../src/index.js';

const of = (...rows: number[][]) => categorical(tf.tensor2d(rows));
const bits = (...p: number[]) => bernoulli(tf.tensor1d(p));

onEachBackend(() => {
  it('has the kl Σ q ln(q/p), where q is 0 too, exactly 0 between equals', () => {
    const q = [
      [0, 0.1, 0.9],
      [0.2, 0.3, 0.5],
      [1, 0, 0],
    ]; // prettier-ignore
    const p = [
      [0.3, 0.3, 0.4],
      [0.6, 0.2, 0.2],
      [0.25, 0.5, 0.25],
    ]; // prettier-ignore
    const kl = q.map((row, i) =>
      row.reduce((sum, q, k) => sum + (q > 0 ? q * Math.log(q / p[i]![k]!) : 0), 0),
    );
    expectAllClose(of(...q).kl(of(...p)), kl);
    expect([
      ...of(...q)
        .kl(of(...q))
        .dataSync(),
    ]).toEqual([0, 0, 0]); // prettier-ignore
  });

  it('keeps the digits of a kl that is next to nothing: ½ Σ δ²/q', () => {
    const delta = 2 ** -12;
    expectAllClose(bits(0.5).kl(bits(0.5 + delta)), 2 * delta ** 2, { relative: 1e-3, absolute: 0 });
  });

  it('what is impossible costs 100 bits, and what happens surely nothing', () => {
    const impossible = of([1, 0], [0, 1]).kl(of([0, 1], [0, 1]));
    expectAllClose(impossible, [-Math.log(1e-30), 0], { absolute: 1e-4 });
    expectAllClose(of([1, 0], [1, 0]).logProb(tf.tensor1d([1, 0])), [Math.log(1e-30), 0]);
  });

  it('has the logarithm of the probability of the class that x is', () => {
    const p = of([0.2, 0.3, 0.5], [0.1, 0.2, 0.7]);
    expectAllClose(p.logProb(tf.tensor1d([2, 0])), [Math.log(0.5), Math.log(0.1)]);
    expectAllClose(bits(0.2, 0.2).logProb(tf.tensor1d([1, 0])), [Math.log(0.2), Math.log(0.8)]);
  });

  it('samples each class as often as it says, and its mode is the likeliest', () => {
    const p = [0.5, 0, 0.2, 0.3];
    const count = 20_000;
    const drawn = categorical(tf.tile(tf.tensor2d([p]), [count, 1]))
      .sample(rng(1))
      .dataSync<'float32'>();
    p.forEach((p, k) => {
      const share = drawn.reduce((sum, x) => sum + Number(x === k), 0) / count;
      // Four standard errors, and none of what cannot be.
      expect(Math.abs(share - p)).toBeLessThanOrEqual(4 * Math.sqrt((p * (1 - p)) / count));
    });
    expect([...of(p, [0, 0, 0.4, 0.6]).mode().dataSync()]).toEqual([0, 3]); // prettier-ignore
    expect([...bits(0, 1, 0).sample(rng(3)).dataSync()]).toEqual([0, 1, 0]);
  });

  it('at the ends of the uniform numbers too draws no class that cannot be', () => {
    const third = 1 / 3;
    // Sums of thirds in float32 need not end in 1.
    const p = of([0, third, third, third, 0], [0, 1, 0, 0, 0], [0.1, 0.2, 0.3, 0.4, 0]);
    const at = (u: number) => p.sample({ ...rng(0), uniform: (shape) => tf.fill([...shape], u) });
    expect([...at(0).dataSync()]).toEqual([1, 1, 0]);
    expect([...at(1 - 2 ** -24).dataSync()]).toEqual([3, 1, 3]);
  });

  it('teaches by the gradients of kl and logProb, finite where a probability is 0 or 1', () => {
    const { grads } = valueAndGrad(({ p }) =>
      tf.add(
        tf.sum(bits(0.5, 1, 0).kl(bernoulli(p!))),
        tf.sum(bernoulli(p!).logProb(tf.tensor1d([1, 0, 1]))),
      ),
    )({ p: tf.tensor1d([0.25, 0, 1]) });
    const gradient = [...grads.p!.dataSync()];
    expect(gradient.every(Number.isFinite)).toBe(true);
    // (1 − q)/(1 − p) − q/p of the divergence, and 1/p of the logarithm.
    expectAllClose(gradient[0]!, 0.5 / 0.75 - 0.5 / 0.25 + 1 / 0.25);
  });

  it('refuses shapes that do not fit, and a single class', () => {
    expect(() => of([1])).toThrow(
      new RangeError('probabilities must have a last axis of at least two classes, not shape [1,1]'),
    );
    expect(() => of([0.5, 0.5]).kl(of([0.2, 0.3, 0.5]))).toThrow(
      new RangeError('probabilities of p must have the shape of the probabilities, [1,2], not [1,3]'),
    );
    expect(() => of([0.5, 0.5]).logProb(tf.zeros([1, 1]))).toThrow(
      new RangeError('x with its classes must have the shape of the probabilities, [1,2], not [1,1,2]'),
    );
  });

  it('leaves no tensor behind', async () => {
    const [q, p] = [bits(0.2, 0.4), bits(0.6, 0.3)];
    const x = tf.tensor1d([1, 0]);
    for (const f of [() => q.kl(p), () => q.logProb(x), () => q.sample(rng(0)), () => q.mode()]) {
      await expectNoLeak(f);
    }
  });
});
