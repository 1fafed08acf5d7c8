import { adamWStep, checkAdamW } from '@diffusion-ts/ops';
import { mapParams, type Params } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Optimizer } from './optimizer.js';

/** The numbers of AdamW. */
export interface AdamWOptions {
  /** How much of the running means of the gradients and of their squares a step keeps, (β₁, β₂); default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Default 1e-8. */
  readonly epsilon?: number;
  /** Decoupled: the weights shrink by learningRate · weightDecay in each step; default 0. */
  readonly weightDecay?: number;
  /** The gradients are scaled down to this global norm if theirs is larger; default no. */
  readonly maxGradNorm?: number | undefined;
}

/**
 * Adam with decoupled weight decay (Loshchilov & Hutter 2019), after clipping; its slots are the running means `m` and `v`.
 * @throws RangeError if a β is not in [0, 1), epsilon or maxGradNorm is not positive, or weightDecay is negative. A step
 * throws TypeError if the state has the slots of another optimizer.
 */
export function adamW({
  betas = [0.9, 0.999],
  epsilon = 1e-8,
  weightDecay = 0,
  maxGradNorm,
}: AdamWOptions = {}): Optimizer {
  const numbers = { betas, epsilon, weightDecay, ...(maxGradNorm !== undefined && { maxGradNorm }) };
  checkAdamW(numbers);
  return {
    init(params) {
      const zeros = (): Params => mapParams(params, (tensor) => tf.zerosLike(tensor));
      return { m: zeros(), v: zeros() };
    },
    update({ params, grads, slots, step, learningRate, ema }) {
      if (slots.m === undefined || slots.v === undefined) {
        throw new TypeError(
          `adamW needs the slots m and v, but the state has ${Object.keys(slots).join(', ')}, those of another optimizer`,
        );
      }
      const { m, v, ...result } = adamWStep({
        params,
        grads,
        m: slots.m,
        v: slots.v,
        step,
        learningRate,
        ...numbers,
        ...(ema && { ema }),
      });
      return { ...result, slots: { m, v } };
    },
  };
}
