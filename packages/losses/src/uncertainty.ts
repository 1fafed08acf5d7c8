import type { Distribution, ForwardProcess } from '@diffusion-ts/forward-process';
import type { NoiseSchedule } from '@diffusion-ts/schedules';
import type { Params, PerExample, Shapes } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Loss } from './loss.js';

const WEIGHT = 'uncertainty.weight';
const FEATURES = 32;
// The log-SNR of anything that is learned; the data and pure noise stand at the ends.
const MOST = 32;

/** The parameters of u in `withUncertainty`, to be trained beside those of the network. */
export const uncertainty: {
  /** Of its one parameter, `uncertainty.weight`. */
  readonly shapes: Shapes;
  /** u = 0, with which the loss is what it would be without; the caller disposes it. */
  init(): Params;
} = {
  shapes: { [WEIGHT]: [FEATURES, 1] },
  init: () => ({ [WEIGHT]: tf.zeros([FEATURES, 1]) }),
};

/** A process with the parameters of u. */
export interface UncertainProcess {
  /** Where the noise levels come from. */
  readonly forward: Pick<ForwardProcess<Distribution>, 'schedule'>;
  /** Those of `uncertainty` at least; the tree that the gradient is taken for. */
  readonly params: Params;
}

/**
 * A loss L whose noise levels are balanced by a learned uncertainty (Karras et al. 2024, eq. 15 and 21, after Kendall et
 * al. 2018): L/e^u(λ) + u(λ), which is least where u = ln E[L | λ], so that every level weighs in with the same
 * loss, 1, whatever is left to learn of it. u is one layer on Fourier features of the noise level, here of the log-SNR λ on
 * every schedule, cosines where the paper has random frequencies; a process says which parameters it has.
 *
 * Beside the value that is minimised it returns `error`, L itself.
 * @example
 * const loss = withUncertainty(simple());
 * const reverseOf = (params: Params) => ({ ...reverseProcess({ … }), params }); // those of the network, and `uncertainty.init()`
 */
export function withUncertainty<R extends Pick<UncertainProcess, 'forward'>>(
  loss: Loss<R>,
): Loss<R & UncertainProcess> {
  return (context) =>
    tf.tidy(() => {
      const { perExample: error, ...terms } = loss(context as Parameters<Loss<R>>[0]);
      const { params, forward } = context.reverse;
      const u = at(params, forward.schedule, context.t, error.size);
      const perExample = tf.add(tf.mul(error, tf.exp(tf.neg(u))), u) as tf.Tensor1D;
      return { ...terms, error, perExample };
    });
}

/** u at these times, `[batch]`. */
function at(params: Params, schedule: NoiseSchedule, t: PerExample, batch: number): tf.Tensor1D {
  const features = Float32Array.from({ length: batch * FEATURES }, (_, i) => {
    const [example, k] = [Math.floor(i / FEATURES), i % FEATURES];
    const { logSnr } = schedule.level(typeof t === 'number' ? t : t[example]!);
    const part = Math.min(Math.max(logSnr / MOST, -1), 1);
    return Math.cos((k * Math.PI * (part + 1)) / 2);
  });
  const weight = params[WEIGHT] as tf.Tensor2D;
  return tf.squeeze(tf.matMul(tf.tensor2d(features, [batch, FEATURES]), weight), [1]);
}
