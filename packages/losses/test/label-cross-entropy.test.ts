import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { cosine } from '@diffusion-ts/schedules';
import { mapExamples, perExampleTensor, rng, valueAndGrad } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { labelCrossEntropy } from '../src/index.js';

const forward = gaussianDiffusion(cosine({ steps: 100 }));
const { schedule } = forward;
const t = Float64Array.of(0, 30, 60, 99);
const loss = labelCrossEntropy();

onEachBackend(() => {
  it('is −log₂ of the softmax at the label, for x_t as the process draws it', () => {
    tf.tidy(() => {
      const logits = tf.tensor2d([1, 2, 3, 0, 0, 0, -50, 50, 0, 5, 5, -5], [4, 3]);
      const x0 = rng(1).normal([4, 2]);
      const noise = rng(2).normal([4, 2]);
      const { perExample } = loss({
        reverse: {
          forward,
          logits: (xt, time) => {
            expectAllClose(xt, forward.sample(x0, t, noise), { absolute: 0 });
            expect(time).toBe(t);
            return logits;
          },
        },
        x0,
        t,
        noise,
        condition: { label: tf.tensor1d([2, 0, 1, 2], 'int32') },
      });
      const wanted = [
        Math.log2(1 + Math.exp(-1) + Math.exp(-2)),
        Math.log2(3),
        0,
        Math.log2(1 + 2 * Math.exp(10)),
      ];
      expectAllClose(perExample, wanted, { relative: 1e-5, absolute: 1e-6 });
    });
  });

  it('has the gradient (p − y)/ln 2 by the logits', () => {
    tf.tidy(() => {
      const { grads } = valueAndGrad(({ logits }) => {
        const { perExample } = loss({
          reverse: { forward, logits: () => logits! },
          x0: tf.zeros([2, 1]),
          t: 5,
          noise: tf.zeros([2, 1]),
          condition: { label: tf.tensor1d([1, 0], 'int32') },
        });
        return tf.sum(perExample);
      })({ logits: tf.tensor2d([0, Math.log(3), 2, 2], [2, 2]) });
      const wanted = [0.25, -0.25, -0.5, 0.5].map((x) => x / Math.LN2);
      expectAllClose(grads.logits!, tf.tensor2d(wanted, [2, 2]), { relative: 1e-5 });
    });
  });

  it('of Bayes himself is what he does not know: 1 bit of two classes at pure noise, and less the more is seen', () => {
    // Classes at ±1 in equal parts: the logit of + against − is 2 α x_t/σ².
    const x0 = tf.tensor2d(
      Array.from({ length: 4000 }, (_, i) => (i % 2 ? 1 : -1)),
      [4000, 1],
    );
    const label = tf.tensor1d(
      Array.from({ length: 4000 }, (_, i) => i % 2),
      'int32',
    );
    const noise = rng(3).normal([4000, 1]);
    const bayes = (xt: tf.Tensor, time: number | Float64Array): tf.Tensor => {
      const factor = mapExamples(time, (t) => {
        const { alpha, sigma } = schedule.level(t);
        return (2 * alpha) / sigma ** 2;
      });
      const logit = tf.mul(xt, tf.reshape(perExampleTensor(factor, 4000), [-1, 1]));
      return tf.concat([tf.zerosLike(logit), logit], 1);
    };
    const mean = (time: number): number =>
      tf.tidy(
        () =>
          tf
            .mean(
              loss({ reverse: { forward, logits: bayes }, x0, t: time, noise, condition: { label } })
                .perExample,
            )
            .dataSync()[0]!,
      );
    const bits = [0, 40, 60, 80, 99].map(mean);
    expect(bits[0]).toBeLessThan(1e-4);
    expect(bits[4]).toBeCloseTo(1, 3);
    for (const [i, value] of bits.entries()) expect(value).toBeGreaterThanOrEqual(bits[i - 1] ?? 0);
    tf.dispose([x0, label, noise]);
  });

  it('leaves no tensor behind, and needs labels', async () => {
    const [x0, label] = [tf.zeros([2, 1]), tf.tensor1d([0, 1], 'int32')];
    const logits = () => tf.zeros([2, 2]);
    const of = (condition?: { label: tf.Tensor }) =>
      loss({ reverse: { forward, logits }, x0, t: 3, noise: x0, ...(condition && { condition }) });
    await expectNoLeak(() => of({ label }));
    expect(() => of()).toThrow('condition.label is missing, and a classifier learns it');
    tf.dispose([x0, label]);
  });
});
