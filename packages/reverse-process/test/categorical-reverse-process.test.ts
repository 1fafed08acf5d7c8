import { absorbingTransition, categoricalDiffusion, uniformTransition } from '@diffusion-ts/forward-process';
import { fromBetas, rectified } from '@diffusion-ts/schedules';
import { valueAndGrad } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { atOnce, categoricalReverseProcess } from '../src/index.js';

const close = { relative: 0, absolute: 1e-6 };
const schedule = fromBetas([0.05, 0.2, 0.1, 0.4, 0.3]);
const uniform = categoricalDiffusion(schedule, uniformTransition(3));
const absorbing = categoricalDiffusion(schedule, absorbingTransition(3));
const column = (...x: number[]): tf.Tensor => tf.tensor2d(x, [x.length, 1]);

/** q(x_t = j | x_s = i) of uniform noise. */
const chance = (t: number, s: number, i: number, j: number): number => {
  const keep = (schedule.level(t).alpha / schedule.level(s).alpha) ** 2;
  return (i === j ? keep : 0) + (1 - keep) / 3;
};

onEachBackend(() => {
  it('with a network that knows x_0 is the posterior', () => {
    for (const forward of [uniform, absorbing]) {
      const [x0, xt] = [column(0, 1, 2), column(0, 1, 2)];
      const denoiser = () => tf.mul(tf.reshape(tf.eye(3), [3, 1, 3]), 50);
      const evaluation = atOnce(categoricalReverseProcess({ forward, denoiser }).evaluate(xt, 4));
      expectAllClose(evaluation.x0(), x0, close);
      for (const s of [3, 1, -1])
        expectAllClose(evaluation.to(s).probabilities, forward.posterior(x0, xt, 4, s).probabilities, close);
    }
  });

  it('with the exact p(x_0 | x_t) has the exact p(x_s | x_t), for any s and a time of each example', () => {
    const data = [0.5, 0.2, 0.3];
    const marginal = (t: number, j: number): number =>
      data.reduce((sum, p, i) => sum + p * chance(t, -1, i, j), 0);
    const [xt, t, s] = [[0, 1, 2, 1], Float64Array.of(4, 4, 2, 2), Float64Array.of(1, 3, -1, 1)];
    const reverse = categoricalReverseProcess({
      forward: uniform,
      denoiser: (x, told) => {
        const times = told.dataSync();
        const rows = Array.from(x.dataSync(), (j, row) =>
          data.map((p, i) => Math.log(p * chance(times[row]!, -1, i, j))),
        );
        return tf.tensor2d(rows);
      },
    });
    const expected = xt.flatMap((j, row) =>
      [0, 1, 2].map((i) => {
        const own = s[row] === -1 ? data[i]! : marginal(s[row]!, i);
        return (chance(t[row]!, s[row]!, i, j) * own) / marginal(t[row]!, j);
      }),
    );
    expectAllClose(atOnce(reverse.evaluate(column(...xt), t)).to(s).probabilities, expected, close);
  });

  it('carries over what is not masked, and unmasks with ᾱ_s − ᾱ_t of 1 − ᾱ_t by what the network says', () => {
    const forward = categoricalDiffusion(rectified(), absorbingTransition(2));
    const reverse = categoricalReverseProcess({
      forward,
      denoiser: (x) => tf.tile(tf.log(tf.tensor2d([[0.1, 0.9]])), [x.size, 1]),
    }); // prettier-ignore
    const evaluation = atOnce(reverse.evaluate(column(0, 1, 2), 0.5));
    // ᾱ = (1 − t)²: from a quarter to nine sixteenths, of the three quarters that are masked.
    const unmasked = (9 / 16 - 1 / 4) / (3 / 4);
    const expected = [1, 0, 0, 0, 1, 0, 0.1 * unmasked, 0.9 * unmasked, 1 - unmasked];
    expectAllClose(evaluation.to(0.25).probabilities, expected, close);
    expectAllClose(evaluation.x0(), [0, 1, 1], close);
  });

  it('what is not masked costs nothing and teaches nothing, however sure the network is of another class', () => {
    const xt = column(0, 1, 3);
    const bits = (logits: tf.Tensor) => {
      const reverse = categoricalReverseProcess({ forward: absorbing, denoiser: () => tf.clone(logits) });
      const p = atOnce(reverse.evaluate(xt, 3)).to(1);
      return tf.sum(absorbing.posterior(column(0, 1, 2), xt, 3, 1).kl(p)) as tf.Scalar;
    };
    const sure = [-200, 300, 0, 40, -60, 30, 0, 0, 0];
    const { value, grads } = valueAndGrad(({ logits }) => bits(logits!))({
      logits: tf.tensor2d(sure, [3, 3]),
    });
    // What is masked: of ᾱ_1 − ᾱ_3 in 1 − ᾱ_3 the step unmasks, to a third each.
    const [after, before] = [1, 3].map((t) => schedule.level(t).alpha ** 2);
    const unmasked = (after! - before!) / (1 - before!);
    expectAllClose(value, unmasked * Math.log(3));
    const toward = [1, 1, -2].map((sign) => (unmasked * sign) / 3);
    expectAllClose(grads.logits!, [0, 0, 0, 0, 0, 0, ...toward]);
  });

  it('takes the logits of an element beside one another, whatever the shape, and refuses others', () => {
    const xt = tf.tensor4d([0, 1, 2, 0], [1, 2, 1, 2]);
    const logits = tf.range(0, 12);
    const of = (shape: number[]) =>
      atOnce(
        categoricalReverseProcess({ forward: uniform, denoiser: () => tf.reshape(logits, shape) }).evaluate(
          xt,
          2,
        ),
      );
    expectAllClose(of([1, 2, 1, 6]).to(0).probabilities, of([1, 2, 1, 2, 3]).to(0).probabilities);
    expect(of([1, 2, 1, 6]).to(0).probabilities.shape).toEqual([1, 2, 1, 2, 3]);
    const denoiser = () => tf.zeros([1, 2, 1, 2]);
    expect(() => categoricalReverseProcess({ forward: uniform, denoiser }).evaluate(xt, 2)).toThrow(
      new RangeError(
        'the denoiser must return 3 logits for each element of xt of shape [1,2,1,2], not shape [1,2,1,2]',
      ),
    );
  });

  it('leaves no tensor behind, and x_t untouched', async () => {
    const xt = column(1, 2, 0);
    const reverse = categoricalReverseProcess({ forward: uniform, denoiser: (x) => tf.zeros([x.size, 3]) });
    await expectNoLeak(() => {
      const evaluation = atOnce(reverse.evaluate(xt, 3));
      tf.dispose([evaluation.x0(), evaluation.to(0).probabilities]);
      evaluation.dispose();
    });
    expect(xt.isDisposed).toBe(false);
  });
});
