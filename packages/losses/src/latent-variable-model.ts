import { type Distribution, type Gaussian, gaussian } from '@diffusion-ts/forward-process';
import { atOnce, type ReverseProcess } from '@diffusion-ts/reverse-process';
import { between } from '@diffusion-ts/schedules';
import { axpby, type Condition } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';

/** One layer of latents above what it explains: z_l above z_{l−1}. */
export interface LatentLayer {
  /** q(z_l | z_{l−1}), of which a sample is a function with a gradient: the reparameterisation. */
  encode(below: tf.Tensor): Distribution;
  /** p(z_{l−1} | z_l). */
  decode(above: tf.Tensor): Distribution;
}

/**
 * A latent-variable model p(z_L) ∏ p(z_{l−1} | z_l) of data x = z_0, with encoders q(z_l | z_{l−1}) from the data upwards
 * (Kingma and Welling 2014; Sønderby et al. 2016). With one layer it is a VAE; a diffusion model has T, whose encoders are
 * fixed (`asLatentVariableModel`).
 */
export interface LatentVariableModel {
  /** From the data upwards: z_1, …, z_L. */
  readonly layers: readonly LatentLayer[];
  /** p(z_L), for latents of a shape. */
  prior(shape: readonly number[]): Distribution;
}

/**
 * A process as what it is (Ho et al. 2020, eq. 1 and 2): a VAE of `steps` layers whose latents are x_1 … x_T. The encoders
 * of a Gaussian diffusion, q(x_t | x_{t−1}) = N(√(1−β_t) x_{t−1}, β_t I), have nothing to learn; a `variationalAutoencoder`
 * is such a process of one step, whose encoder has.
 * @throws RangeError where the schedule has no steps.
 */
export function asLatentVariableModel(reverse: ReverseProcess, condition?: Condition): LatentVariableModel {
  const { forward } = reverse;
  const { schedule } = forward;
  if (schedule.steps === undefined) {
    throw new RangeError(
      'a latent-variable model has a layer for every step of a schedule, and one of continuous time has no steps',
    );
  }
  const encoderAt = (t: number): LatentLayer['encode'] => {
    if (t === 0) return (x) => forward.marginal(x, 0);
    const [below, above] = [schedule.level(t - 1), schedule.level(t)];
    const logVariance = Math.log(between(below, above).beta);
    return (x) => gaussian({ mean: axpby(above.alpha / below.alpha, x, 0, x), logVariance });
  };
  const layers = Array.from(
    { length: schedule.steps },
    (_, t): LatentLayer => ({
      encode: encoderAt(t),
      decode: (x) =>
        tf.tidy(() => {
          const p = atOnce(reverse.evaluate(x, t, condition)).to(t - 1);
          return p as Gaussian & tf.NamedTensorMap;
        }),
    }),
  );
  return { layers, prior: (shape) => forward.prior(shape) };
}
