import { latent } from '@diffusion-ts/forward-process';
import { constantFraction, fromBetas } from '@diffusion-ts/schedules';
import { rng, valueAndGrad } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, golden, onEachBackend } from '@diffusion-ts/testing';
import { bernoulli, bernoulliProcess, bernoulliReverseProcess } from '@diffusion-ts/testing/bernoulli';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { atOnce } from '../src/index.js';

interface Row {
  kind: string;
  betas: number[];
  x0: number;
  p_one: number[];
  posterior_p_one: Record<string, number>;
}
const rows = golden<{ rows: Row[] }>('discrete').rows.filter(({ kind }) => kind === 'bernoulli');
const close = { relative: 0, absolute: 1e-6 };

const betas = [0.05, 0.2, 0.1, 0.4, 0.3];
const forward = bernoulliProcess(fromBetas(betas));

/** q(x_t = b | x_s = a), step by step. */
function transition(t: number, s: number, a: number, b: number): number {
  let one = a;
  for (let i = s + 1; i <= t; i++) one = one * (1 - betas[i]!) + 0.5 * betas[i]!;
  return b === 1 ? one : 1 - one;
}

/** q(x_s = 1 | x_t, x_0) by Bayes over both values of x_s. */
function posterior(x0: number, xt: number, t: number, s: number): number {
  const [zero, one] = [0, 1].map((xs) => transition(t, s, xs, xt) * transition(s, -1, x0, xs));
  return one! / (zero! + one!);
}

const bits = (...x: number[]): tf.Tensor => tf.tensor2d(x, [x.length, 1]);
/** Every x_0 with every x_t. */
const X0 = [0, 0, 1, 1];
const XT = [0, 1, 0, 1];

onEachBackend(() => {
  describe.each(rows)('binomial diffusion by $betas from $x0', ({ betas, x0, p_one, posterior_p_one }) => {
    const q = bernoulliProcess(fromBetas(betas));

    it('has the marginals of the reference', () => {
      const steps = Float64Array.from(betas, (_, t) => t);
      const { probability } = q.marginal(tf.fill([betas.length, 1], x0), steps);
      expectAllClose(probability, p_one, close);
    });

    it('has the posteriors of the reference', () => {
      for (const [key, expected] of Object.entries(posterior_p_one)) {
        const [t, xt] = key.split(',').map(Number);
        expectAllClose(q.posterior(bits(x0), bits(xt!), t!, t! - 1).probability, expected, close);
      }
    });
  });

  it('has the posterior that Bayes gives for any s before t, the data included', () => {
    for (let t = 0; t < betas.length; t++) {
      for (let s = -1; s < t; s++) {
        const expected = X0.map((x0, i) => posterior(x0, XT[i]!, t, s));
        expectAllClose(forward.posterior(bits(...X0), bits(...XT), t, s).probability, expected, close);
      }
    }
    const t = Float64Array.of(4, 3, 2, 1);
    const s = Float64Array.of(2, -1, 1, 0);
    expectAllClose(
      forward.posterior(bits(...X0), bits(...XT), t, s).probability,
      X0.map((x0, i) => posterior(x0, XT[i]!, t[i]!, s[i]!)),
      close,
    );
  });

  it('samples x_t with the frequency of its marginal', () => {
    const count = 40_000;
    const x0 = tf.ones([count, 1]);
    const p = transition(2, -1, 1, 1);
    const mean = tf.mean(forward.sample(x0, 2, forward.noise(rng(1), x0.shape)));
    // Four standard errors.
    expectAllClose(mean, p, { relative: 0, absolute: 4 * Math.sqrt((p * (1 - p)) / count) });
  });

  it('starts from tossed coins, to which the marginal comes close', () => {
    expectAllClose(forward.prior([2, 3]).probability, new Array(6).fill(0.5), close);
    expect(new Set(latent(forward, rng(0), [40, 1]).dataSync())).toEqual(new Set([0, 1]));
    const q = bernoulliProcess(constantFraction({ steps: 7 }));
    expectAllClose(q.marginal(bits(0, 1), 6).kl(q.prior([2, 1])), [0, 0], close);
  });

  describe('a Bernoulli distribution', () => {
    const of = (...p: number[]) => bernoulli(bits(...p));

    it('has the kl Σ q ln(q/p), exactly 0 between equals', () => {
      const [q, p] = [
        [0, 0.1, 0.5, 1],
        [0.3, 0.9, 0.5, 0.25],
      ] as const;
      const kl = (q: number, p: number): number =>
        (q > 0 ? q * Math.log(q / p) : 0) + (q < 1 ? (1 - q) * Math.log((1 - q) / (1 - p)) : 0);
      expectAllClose(
        of(...q).kl(of(...p)),
        q.map((one, i) => kl(one, p[i]!)),
      );
      expect([
        ...of(...q)
          .kl(of(...q))
          .dataSync(),
      ]).toEqual([0, 0, 0, 0]);
    });

    it('has the logarithm of the probability of a 1 and of a 0', () => {
      expectAllClose(of(0.2, 0.2, 1, 0).logProb(bits(1, 0, 1, 0)), [Math.log(0.2), Math.log(0.8), 0, 0]);
    });

    it('samples a 1 as often as it says, and its mode is the more probable one', () => {
      const count = 40_000;
      const mean = tf.mean(bernoulli(tf.fill([count, 1], 0.3)).sample(rng(2)));
      expectAllClose(mean, 0.3, { relative: 0, absolute: 4 * Math.sqrt(0.21 / count) });
      expect([...of(0, 1).sample(rng(3)).dataSync()]).toEqual([0, 1]);
      expect([...of(0.49, 0.51).mode().dataSync()]).toEqual([0, 1]);
    });

    it('has finite gradients, at 0 and 1 too', () => {
      const { grads } = valueAndGrad(({ p }) =>
        tf.add(tf.sum(of(1, 0, 0.5, 0.5).kl(bernoulli(p!))), tf.sum(bernoulli(p!).logProb(bits(1, 0, 1, 0)))),
      )({ p: bits(0, 1, 0.25, 1) });
      const gradient = [...grads.p!.dataSync()];
      expect(gradient.every(Number.isFinite)).toBe(true);
      // (1 − q)/(1 − p) − q/p of the divergence, and 1/p of the logarithm.
      expectAllClose(gradient[2]!, 0.5 / 0.75 - 0.5 / 0.25 + 1 / 0.25);
    });

    it('leaves no tensor behind', async () => {
      const [q, p] = [of(0.2, 0.4), of(0.6, 0.3)];
      for (const f of [
        () => q.kl(p),
        () => q.logProb(p.probability),
        () => q.sample(rng(0)),
        () => q.mode(),
      ]) {
        await expectNoLeak(f);
      }
    });
  });

  describe('its reverse process', () => {
    it('with a network that knows x_0 is the posterior', () => {
      const reverse = bernoulliReverseProcess({
        forward,
        denoiser: () => tf.mul(tf.sub(bits(...X0), 0.5), 200),
      });
      const evaluation = atOnce(reverse.evaluate(bits(...XT), 4));
      expectAllClose(evaluation.x0(), X0, close);
      for (const s of [3, 1, -1]) {
        expectAllClose(
          evaluation.to(s).probability,
          X0.map((x0, i) => posterior(x0, XT[i]!, 4, s)),
          close,
        );
      }
    });

    it('with the exact p(x_0 | x_t) has the exact p(x_s | x_t), for any s', () => {
      // Data that are 1 with the probability 0.3: q(x_s | x_t) ∝ q(x_t | x_s) q(x_s).
      const data = 0.3;
      const marginal = (t: number, b: number): number =>
        data * transition(t, -1, 1, b) + (1 - data) * transition(t, -1, 0, b);
      const times = Float64Array.of(4, 4, 2, 2);
      const before = Float64Array.of(1, 3, -1, 1);
      const reverse = bernoulliReverseProcess({
        forward,
        denoiser: (xt, told) =>
          tf.tidy(() => {
            const x = xt.dataSync();
            const t = told.dataSync();
            return bits(
              ...Array.from(x, (b, i) =>
                Math.log((data * transition(t[i]!, -1, 1, b)) / ((1 - data) * transition(t[i]!, -1, 0, b))),
              ),
            );
          }),
      });
      const p = atOnce(reverse.evaluate(bits(...XT), times)).to(before);
      const expected = XT.map((b, i) => {
        const [t, s] = [times[i]!, before[i]!];
        const one = s === -1 ? data : marginal(s, 1);
        return (transition(t, s, 1, b) * one) / marginal(t, b);
      });
      expectAllClose(p.probability, expected, close);
    });

    it('leaves no tensor behind, and x_t untouched', async () => {
      const xt = bits(...XT);
      const reverse = bernoulliReverseProcess({ forward, denoiser: (x) => x });
      await expectNoLeak(() => {
        const evaluation = atOnce(reverse.evaluate(xt, 3));
        tf.dispose([evaluation.x0(), evaluation.to(0).probability]);
        evaluation.dispose();
      });
      await expectNoLeak(() => forward.sample(xt, 3, xt));
      await expectNoLeak(() => forward.posterior(xt, xt, 3, 0).probability);
      expect(xt.isDisposed).toBe(false);
    });
  });

  it('refuses a posterior at a time of no less noise', () => {
    expect(() => forward.posterior(bits(1), bits(1), 2, 2)).toThrow(
      new RangeError('s is 2, expected a time of less noise than t, which is 2'),
    );
  });
});
