import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { PREDICTIONS, reverseProcess, VARIANCES } from '@diffusion-ts/reverse-process';
import { cosine, linear } from '@diffusion-ts/schedules';
import type { Rng } from '@diffusion-ts/tensor';
import {
  expectAllClose,
  goldenDenoiser,
  goldenGaussian,
  goldenNoise,
  goldenX0,
  onEachBackend,
} from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import {
  hybrid,
  type Loss,
  priorBits,
  simple,
  tanhDecoder,
  variationalBound,
  variationalBoundTerms,
} from '../src/index.js';

const schedules = { linear, cosine };
const decoder = tanhDecoder;
// The reference rounds to float32 inside its KL (2⁻²³ nats, 1.72e-7 bits, where −1 + ln σ² is beyond 4).
const closeBits = { relative: 1e-5, absolute: 2e-7 };

const zeroNoise: Rng = {
  normal: (shape) => tf.zeros([...shape]),
  uniform: (shape) => tf.zeros([...shape]),
  integers: (shape) => tf.zeros([...shape], 'int32'),
  doubles: (count) => new Float64Array(count),
  fork: () => zeroNoise,
  rows: () => zeroNoise,
};

onEachBackend(() => {
  describe.each(['linear', 'cosine'] as const)('on the %s schedule of improved-diffusion', (name) => {
    const golden = goldenGaussian(name);
    const forward = gaussianDiffusion(schedules[name]({ steps: 1000 }));

    for (const row of golden.rows) {
      const perExample = (loss: Loss, clip = false): ArrayLike<number> => {
        const reverse = reverseProcess({
          forward,
          denoiser: goldenDenoiser(row.variance),
          predicts: PREDICTIONS[row.predicts],
          variance: VARIANCES[row.variance],
          clip,
        });
        const t = Float64Array.from(golden.t);
        return tf.tidy(() =>
          loss({ reverse, x0: goldenX0(), t, noise: goldenNoise() }).perExample.dataSync(),
        );
      };

      it(`${row.predicts} with ${row.variance} variance has the error, the bound and the hybrid of the reference`, () => {
        expectAllClose(perExample(simple()), row.mse, { absolute: 0 });
        expectAllClose(perExample(variationalBound({ decoder })), row.vb, closeBits);
        expectAllClose(perExample(variationalBound({ decoder }), true), row.vb_clipped, closeBits);
        if (row.hybrid_learned_mse_plus_vb === null) expect(() => perExample(hybrid())).toThrow(RangeError);
        else expectAllClose(perExample(hybrid({ decoder })), row.hybrid_learned_mse_plus_vb, { absolute: 0 });
      });
    }

    it('has the prior’s term of the reference at 1000 steps, and the ᾱ²/4 nats that float32 drops there', () => {
      const { alpha } = forward.schedule.level(999);
      const dropped = alpha ** 4 / 4 / Math.LN2;
      expectAllClose(
        priorBits(forward, goldenX0()),
        golden.prior_bpd.map((bits) => bits + dropped),
        { absolute: 1e-12 },
      );
    });

    it('has the whole bound of the reference at 50 steps without noise', async () => {
      const expected = golden.bound_T50_zero_noise;
      const reverse = reverseProcess({
        forward: gaussianDiffusion(schedules[name]({ steps: 50 })),
        denoiser: goldenDenoiser('fixedLarge'),
        predicts: PREDICTIONS.epsilon,
        variance: VARIANCES.fixedLarge,
        clip: true,
      });
      const terms = await variationalBoundTerms(reverse, goldenX0(), zeroNoise, { decoder });
      const transitionsAndL0 = Float64Array.from(terms.reconstruction, (bits, i) =>
        terms.transitions.reduce((sum, term) => sum + term[i]!, bits),
      );
      expect(terms.transitions.length).toBe(49);
      expectAllClose(terms.prior, expected.prior_bpd, { absolute: 1e-10 });
      expectAllClose(terms.reconstruction, expected.vb_t0, closeBits);
      expectAllClose(transitionsAndL0, expected.vb_step_sums, { absolute: 0 });
      expectAllClose(terms.bitsPerDim, expected.total_bpd, { absolute: 0 });
    });
  });
});
