import type { Distribution } from '@diffusion-ts/forward-process';
import { atOnce, type Evaluation, type ReverseProcess } from '@diffusion-ts/reverse-process';
import type { NoiseSchedule } from '@diffusion-ts/schedules';
import { mapExamples, perExampleTensor } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { bits, boundTerm } from './bound-term.js';
import { logProb } from './decoder.js';
import type { Loss } from './loss.js';

/**
 * −log₂ p_θ(x_0 | x_t), averaged over the elements of an example, in bits: what a network that predicts x_0 says of the data.
 * @throws TypeError if the network answers with a promise.
 */
export function crossEntropy<D extends Distribution>(): Loss<ReverseProcess<D>> {
  return ({ reverse, x0, t, noise, condition }) =>
    tf.tidy(() => {
      const xt = reverse.forward.sample(x0, t, noise);
      return { perExample: dataBits(reverse, atOnce(reverse.evaluate(xt, t, condition)), x0) };
    });
}

/**
 * L_λ = L_vb + λ E[−log p_θ(x_0 | x_t)] (Austin et al. 2021, eq. 5), in bits per dimension. L_vb is estimated by `steps` times
 * the bound's term at t. The parts are returned as `bound` (one term) and `crossEntropy`.
 * The paper's λ is 0.001 for images and 0.01 for text.
 * @throws RangeError where the schedule has no steps; TypeError if the network answers with a promise.
 */
export function crossEntropyHybrid<D extends Distribution>({
  lambda = 0.001,
}: {
  /** The weight λ of the cross-entropy; default 0.001. */
  readonly lambda?: number;
} = {}): Loss<ReverseProcess<D>> {
  return ({ reverse, x0, t, noise, condition }) =>
    tf.tidy(() => {
      const { forward } = reverse;
      const xt = forward.sample(x0, t, noise);
      const evaluation = atOnce(reverse.evaluate(xt, t, condition));
      const bound = boundTerm(forward, evaluation, x0, xt, t, logProb);
      const crossEntropy = dataBits(reverse, evaluation, x0);
      const whole = tf.mul(bound, forward.schedule.steps!);
      return { perExample: tf.add(whole, tf.mul(crossEntropy, lambda)), bound, crossEntropy };
    });
}

/**
 * The bound of absorbing noise in continuous time, a weighted cross-entropy of what is masked (Sahoo et al. 2024, MDLM,
 * eq. 10; Shi et al. 2024): with t uniform, its expectation ∫ −ᾱ'_t/(1 − ᾱ_t) E[−log₂ p_θ(x_0 | x_t)] dt is an upper bound of
 * −log₂ p_θ(x_0), in bits per dimension. It does not depend on how ᾱ falls from 1 to 0.
 * @throws RangeError where time is discrete: there it is `variationalBound`; TypeError if the network answers with a promise.
 */
export function maskedCrossEntropy<D extends Distribution>(): Loss<ReverseProcess<D>> {
  const entropy = crossEntropy<D>();
  return (context) => {
    const { schedule } = context.reverse.forward;
    if (schedule.steps !== undefined) {
      throw new RangeError(
        `the schedule has ${schedule.steps} steps, expected one of continuous time: of steps the bound is variationalBound`,
      );
    }
    const weights = mapExamples(context.t, (t) => maskingRate(schedule, t));
    return tf.tidy(() => {
      const { perExample } = entropy(context);
      return { perExample: tf.mul(perExample, perExampleTensor(weights, perExample.size)) };
    });
  };
}

/** −ᾱ'_t/(1 − ᾱ_t) times the length of the schedule, by a difference of float64 around t. */
function maskingRate({ level, start, end }: NoiseSchedule, t: number): number {
  const alphaBar = (t: number): number => level(t).alpha ** 2;
  const length = end - start;
  const [before, after] = [Math.max(start, t - 1e-6 * length), Math.min(end, t + 1e-6 * length)];
  return (length * (alphaBar(before) - alphaBar(after))) / (after - before) / (1 - alphaBar(t));
}

function dataBits<D extends Distribution>(
  { forward }: ReverseProcess<D>,
  evaluation: Pick<Evaluation<D>, 'to'>,
  x0: tf.Tensor,
): tf.Tensor1D {
  return tf.tidy(() => bits(tf.neg(evaluation.to(forward.schedule.start).logProb(x0))));
}
