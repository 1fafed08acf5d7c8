import { constantFraction, type NoiseSchedule } from '@diffusion-ts/schedules';
import type { Rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type ElboOptions, negativeElbo } from './elbo.js';
import type { LatentVariableModel } from './latent-variable-model.js';
import type { Loss } from './loss.js';

/** A latent-variable model as `train` takes it: what it draws, it draws with an `rng`, and of times it has a single one. */
export interface TrainableLatents {
  readonly model: LatentVariableModel;
  readonly rng: Rng;
  readonly forward: {
    readonly schedule: NoiseSchedule;
    noise(rng: Rng, shape: readonly number[]): tf.Tensor;
  };
}

/** What the `reverse` of `train` returns for a latent-variable model: `(params, rng) => trainableLatents(vae(params), rng)`. */
export function trainableLatents(model: LatentVariableModel, rng: Rng): TrainableLatents {
  return { model, rng, forward: { schedule: ONE_STEP, noise: (_, [batch]) => tf.zeros([batch!]) } };
}

const ONE_STEP = constantFraction({ steps: 1 });

/**
 * The negative ELBO of a latent-variable model in bits per dimension, its KL terms weighed by `beta` (Higgins et al. 2017;
 * default 1, which is the bound). Its parts are returned by name, unweighted.
 */
export function elboLoss({
  beta = 1,
  ...options
}: ElboOptions & { readonly beta?: number } = {}): Loss<TrainableLatents> {
  if (!(beta >= 0 && beta < Infinity))
    throw new RangeError(`beta must be a finite number from 0 up, not ${beta}`);
  return ({ reverse: { model, rng }, x0 }) =>
    tf.tidy(() => {
      const parts = negativeElbo(model, x0, rng, options);
      if (beta === 1) return parts;
      const rate = tf.add(parts.transitions, parts.prior);
      return { ...parts, perExample: tf.add(parts.reconstruction, tf.mul(rate, beta)) };
    });
}
