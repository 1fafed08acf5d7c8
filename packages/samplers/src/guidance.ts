import {
  type Coefficients,
  type GaussianReverseProcess,
  gaussianEvaluation,
} from '@diffusion-ts/reverse-process';
import type { NoiseLevel } from '@diffusion-ts/schedules';
import {
  axpby,
  type Condition,
  checkPerExample,
  mapExamples,
  type PerExample,
  whenAnswered,
} from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';

/** How far, where, and with what restraint samples are led. */
export interface Guidance {
  /** w: 0 is the good denoiser itself, −1 the bad one; higher trades variety for fidelity. */
  readonly scale: number;
  /**
   * The noise σ/α above which, and up to which, there is guidance (Kynkäänniemi et al. 2024); default everywhere. Outside of
   * it the good denoiser is asked alone, at half the cost.
   */
  readonly interval?: readonly [above: number, upTo: number];
  /**
   * φ of Lin et al. 2024, section 3.4: how much of the deviation that guidance adds to the x̂_0 of an example is taken away
   * again, from 0 (the default) to 1.
   */
  readonly rescale?: number;
}

/** What a network said; the tensors of an evaluation, which belong to the caller. */
export type Said = { readonly prediction: tf.Tensor; readonly raw?: tf.Tensor };

/** What a good denoiser says, and what a bad one predicts. */
export type Pair = { readonly good: Said; readonly bad: tf.Tensor };

/**
 * Guidance as one thing made of two denoisers: D = bad + (1 + w)(good − bad), which says the same of ε, x_0, v and the
 * mean, since they are affine in one another. A learned variance is the good one's.
 * @param ask how both are asked: of a process, which is `reverse` as its options say by then; it throws where it cannot be.
 */
export function guide(
  reverse: GaussianReverseProcess,
  guidance: Guidance,
  ask: (
    process: GaussianReverseProcess,
    condition: Condition | undefined,
  ) => (xt: tf.Tensor, t: PerExample) => Pair | Promise<Pair>,
): GaussianReverseProcess {
  const { scale, interval: [above, upTo] = [-Infinity, Infinity], rescale = 0 } = guidance;
  check(guidance);
  if (scale === 0) return reverse;
  return {
    ...reverse,
    evaluate(xt, t, condition) {
      checkPerExample('t', t, 'xt', xt);
      const { schedule } = this.forward;
      const of = (f: (coefficients: Coefficients, level: NoiseLevel) => number): PerExample =>
        mapExamples(t, (time) => {
          const level = schedule.level(time);
          return f(this.predicts.at(level, schedule), level);
        });
      const pair = ask({ ...this, evaluate: reverse.evaluate }, condition);
      const weights = of((_, { alpha, sigma }) =>
        above < sigma / alpha && sigma / alpha <= upTo ? scale : 0,
      );
      if ([weights].flat().every((weight) => weight === 0))
        return reverse.evaluate.call(this, xt, t, condition);

      const led = (good: tf.Tensor, bad: tf.Tensor): tf.Tensor => {
        const away = axpby(1, good, weights, tf.sub(good, bad));
        if (rescale === 0) return away;
        const [skip, out] = [of(({ skip }) => skip), of(({ out }) => out)];
        const [x0, free] = [away, good].map((said) => axpby(skip, xt, out, said)) as [tf.Tensor, tf.Tensor];
        const ratio = tf.divNoNan(deviation(free), deviation(x0));
        const change = tf.mul(x0, tf.mul(rescale, tf.sub(ratio, 1)));
        return axpby(
          1,
          away,
          mapExamples(out, (factor) => 1 / factor),
          change,
        );
      };
      return whenAnswered(
        () => pair(xt, t),
        (said) => {
          try {
            return gaussianEvaluation(this, xt, t, {
              prediction: tf.tidy(() => led(said.good.prediction, said.bad)),
              ...(said.good.raw && { raw: tf.clone(said.good.raw) }),
            });
          } finally {
            tf.dispose(said);
          }
        },
        () => {},
      );
    },
  };
}

/** What the network of a process says, now or later. */
export function say(
  process: GaussianReverseProcess,
  xt: tf.Tensor,
  t: PerExample,
  condition: Condition | undefined,
): Said | Promise<Said> {
  const said = ({ prediction, raw }: Said): Said => {
    if (prediction !== undefined) return { prediction, ...(raw && { raw }) };
    throw new TypeError(
      'reverse must be a process whose evaluations have a prediction, as those of reverseProcess(…): guide first, and inpaint what is guided',
    );
  };
  const evaluation = process.evaluate(xt, t, condition);
  return evaluation instanceof Promise ? evaluation.then(said) : said(evaluation);
}

/** Of each example over all that it holds, `[batch, 1, …]`. */
function deviation(x: tf.Tensor): tf.Tensor {
  const axes = x.shape.map((_, axis) => axis).slice(1);
  return tf.sqrt(tf.moments(x, axes, true).variance);
}

function check({ scale, interval, rescale = 0 }: Guidance): void {
  if (!Number.isFinite(scale)) throw new RangeError(`scale must be a finite number, not ${scale}`);
  if (interval !== undefined && !(interval[0] < interval[1])) {
    throw new RangeError(
      `interval must be two noises σ/α, the lower first, not [${interval[0]}, ${interval[1]}]`,
    );
  }
  if (!(rescale >= 0 && rescale <= 1)) throw new RangeError(`rescale must be from 0 to 1, not ${rescale}`);
}
