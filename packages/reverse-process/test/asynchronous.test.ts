import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { linear } from '@diffusion-ts/schedules';
import { type Denoiser, nextTask, rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import {
  atOnce,
  fixedSmall,
  learnedRange,
  type ReverseProcessOptions,
  reverseProcess,
  vPrediction,
} from '../src/index.js';

const forward = gaussianDiffusion(linear({ steps: 50 }));
const xt = () => rng(1).normal([3, 4]);
const t = Float64Array.of(2, 20.5, 49);
const exactly = { relative: 0, absolute: 0 };
const SENTENCE =
  'the network answers with a promise, and a gradient needs its output at once: train with one that computes here';

const now = ((x, told) =>
  tf.tidy(() =>
    tf.add(tf.mul(tf.reverse(x, -1), 0.5), tf.mul(tf.expandDims(told, 1), 0.01)),
  )) satisfies Denoiser;
const later: Denoiser = async (x, told) => {
  await nextTask();
  return now(x, told);
};
const process = (denoiser: Denoiser, options: Partial<ReverseProcessOptions> = {}) =>
  reverseProcess({ forward, denoiser, predicts: vPrediction, variance: fixedSmall, ...options });

onEachBackend(() => {
  describe('a network that answers later', () => {
    it('makes evaluate a promise of the same numbers', async () => {
      const answer = process(later).evaluate(xt(), t);
      expect(answer).toBeInstanceOf(Promise);
      const [there, here] = [await answer, atOnce(process(now).evaluate(xt(), t))];
      expectAllClose(there.prediction, here.prediction, exactly);
      expectAllClose(there.x0(), here.x0(), exactly);
      expectAllClose(there.epsilon(), here.epsilon(), exactly);
      expectAllClose(there.to(1).mean, here.to(1).mean, exactly);
      expect(there.to(1).logVariance).toEqual(here.to(1).logVariance);
    });

    it('can be put in the place of one that answers now, and is split where the variance is learned', async () => {
      const twice: Denoiser = async (x) => {
        await nextTask();
        return tf.tidy(() => tf.concat([tf.mul(x, 2), tf.mul(x, 3)], -1));
      };
      const reverse = { ...process(now), denoiser: twice, variance: learnedRange };
      const { prediction, raw } = await reverse.evaluate(xt(), 7);
      expectAllClose(prediction, tf.mul(xt(), 2));
      expectAllClose(raw!, tf.mul(xt(), 3));
    });

    it('leaves no tensor behind, and x_t untouched', async () => {
      const x = xt();
      await expectNoLeak(async () => {
        const evaluation = await process(later).evaluate(x, t);
        tf.dispose([evaluation.x0(), evaluation.epsilon(), evaluation.to(1).mean]);
        evaluation.dispose();
      });
      expect(x.isDisposed).toBe(false);
    });

    it('keeps what it made before its first await, and frees it itself', async () => {
      const x = xt();
      const denoiser: Denoiser = async (xt, told) => {
        const half = tf.mul(xt, 0.5);
        const time = tf.expandDims(told, 1);
        await nextTask();
        const answer = tf.tidy(() => tf.add(half, tf.mul(time, 0.01)));
        tf.dispose([half, time]);
        return answer;
      };
      const made = async () => process(denoiser).evaluate(x, t);
      expectAllClose(
        (await made()).prediction,
        tf.add(tf.mul(x, 0.5), tf.mul(tf.tensor2d([...t], [3, 1]), 0.01)),
      );
      await expectNoLeak(async () => (await made()).dispose());
    });

    it('may have its answer ready before the first await', async () => {
      const x = xt();
      const expected = now(x, tf.tensor1d([...t]));
      const ready: Denoiser = async (x, told) => now(x, told);
      await expectNoLeak(async () => {
        const evaluation = await process(ready).evaluate(x, t);
        expectAllClose(evaluation.prediction, expected, exactly);
        evaluation.dispose();
      });
    });

    it('that fails rejects with its own error, and everything is freed', async () => {
      const x = xt();
      const failing: Denoiser = async () => {
        await nextTask();
        throw new Error('the server is down');
      };
      await expectNoLeak(async () => {
        await expect(process(failing).evaluate(x, t)).rejects.toThrow(new Error('the server is down'));
      });
      expect(x.isDisposed).toBe(false);
    });

    it('that answers in the wrong shape rejects, and everything is freed', async () => {
      const x = xt();
      const wrong: Denoiser = async (x) => {
        await nextTask();
        return tf.concat([x, x]);
      };
      await expectNoLeak(async () => {
        await expect(process(wrong).evaluate(x, t)).rejects.toThrow(
          'the denoiser must return shape [3,4] for xt of shape [3,4] and fixedSmall variance, not [6,4]',
        );
      });
    });

    it('is refused at once for a time that the schedule does not have', () => {
      expect(() => process(later).evaluate(xt(), 50)).toThrow(
        't is 50, expected a time of the schedule, -1 … 49',
      );
    });
  });

  describe('atOnce', () => {
    it('hands on what has come already', () => {
      const evaluation = process(now).evaluate(xt(), t);
      expect(atOnce(evaluation)).toBe(evaluation);
    });

    it('throws its sentence at a promise, and frees what comes of it later', async () => {
      const x = xt();
      await expectNoLeak(async () => {
        expect(() => atOnce(process(later).evaluate(x, t))).toThrow(new TypeError(SENTENCE));
        await nextTask();
        await nextTask();
      });
    });

    it('throws it at a promise that fails, and no rejection is left unhandled', async () => {
      const failing: Denoiser = () => Promise.reject(new Error('the server is down'));
      expect(() => atOnce(process(failing).evaluate(xt(), t))).toThrow(new TypeError(SENTENCE));
      await nextTask();
    });
  });
});
