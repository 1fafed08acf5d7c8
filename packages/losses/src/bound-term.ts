import type { Distribution, ForwardProcess } from '@diffusion-ts/forward-process';
import type { Evaluation } from '@diffusion-ts/reverse-process';
import type { NoiseSchedule } from '@diffusion-ts/schedules';
import { mapExamples, type PerExample } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Decoder } from './decoder.js';
import { meanPerExample } from './mean-per-example.js';

/**
 * One term of the variational bound (Ho et al. 2020, eq. 5) at each example's time, `[batch]`, in bits per dimension:
 * L_{t−1} = KL(q(x_{t−1} | x_t, x_0) ‖ p_θ(x_{t−1} | x_t)), and where x_{t−1} is the data L_0 = −log₂ p_θ(x_0 | x_1).
 */
export function boundTerm<D extends Distribution>(
  forward: ForwardProcess<D>,
  evaluation: Pick<Evaluation<D>, 'to'>,
  x0: tf.Tensor,
  xt: tf.Tensor,
  t: PerExample,
  decoder: Decoder<D>,
): tf.Tensor1D {
  const { schedule } = forward;
  const s = mapExamples(t, (time) => previousTime(schedule, time));
  return tf.tidy(() => {
    const p = evaluation.to(s);
    const reconstruction = (): tf.Tensor1D => bits(tf.neg(decoder(p, x0)));
    const transition = (): tf.Tensor1D => bits(forward.posterior(x0, xt, t, s).kl(p));
    const last = Array.from(typeof s === 'number' ? [s] : s, (time) => time === schedule.start);
    if (!last.includes(true)) return transition();
    if (!last.includes(false)) return reconstruction();
    return tf.where(tf.tensor1d(last, 'bool'), reconstruction(), transition());
  });
}

/** L_T = KL(q(x_T | x_0) ‖ p(x_T)), `[batch]`, in bits per dimension: what the prior costs. */
export function priorBits<D extends Distribution>(forward: ForwardProcess<D>, x0: tf.Tensor): tf.Tensor1D {
  return tf.tidy(() => {
    const kl = forward.marginal(x0, forward.schedule.end).kl(forward.prior(x0.shape));
    // Latents of a learned encoder are fewer than the dimensions of the data.
    return kl.size === x0.size ? bits(kl) : tf.mul(bits(kl), kl.size / x0.size);
  });
}

/** @throws RangeError where time is continuous or between two steps: there the bound has other terms. */
function previousTime({ steps }: NoiseSchedule, t: number): number {
  if (steps === undefined) {
    throw new RangeError('the bound has one term a step, and a schedule of continuous time has no steps');
  }
  if (!Number.isInteger(t))
    throw new RangeError(`t is ${t}, expected a whole time: the bound has one term a step`);
  return t - 1;
}

/** Nats of every element as the mean bits of each example. */
export function bits(nats: tf.Tensor): tf.Tensor1D {
  return tf.div(meanPerExample(nats), Math.LN2);
}
