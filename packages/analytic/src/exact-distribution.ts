import type { Prediction } from '@diffusion-ts/reverse-process';
import type { NoiseSchedule } from '@diffusion-ts/schedules';
import { axpby, type Condition, checkPerExample, mapExamples, type PerExample } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { cleanMean, logGradient, predictedMean, type Quantity } from './affine.js';
import { timeTold } from './time-told.js';

/**
 * A distribution of x_0 under x_t = α x_0 + σ ε whose every conditional mean is known, on any schedule. `xt` is
 * `[batch, …]`, `t` one time for all or one for each example; results are new tensors of the shape of `xt`.
 */
export interface ExactDistribution {
  /** E[x_0 | x_t], what a network trained without end on squared error would say. */
  x0(schedule: NoiseSchedule, xt: tf.Tensor, t: PerExample, condition?: Condition): tf.Tensor;
  /** ∇ ln q(x_t). */
  score(schedule: NoiseSchedule, xt: tf.Tensor, t: PerExample, condition?: Condition): tf.Tensor;
  /**
   * The perfect network for a schedule and a prediction: a `Denoiser` that answers at once. From what it is told it finds
   * the noise level, to the rounding of float32, and from its input x_t where the prediction scales it. It reads what it
   * is told back to the host.
   * @throws RangeError, when called, if it is told what the prediction tells at no time of the schedule, or asked for what
   * is not defined there, such as ε's part of x_0 where no signal is left.
   */
  denoiser(
    schedule: NoiseSchedule,
    predicts: Prediction,
  ): (input: tf.Tensor, told: tf.Tensor1D, condition?: Condition) => tf.Tensor;
}

/** The average of a quantity over all x_0 that x_t may come from. */
export type Expectation = (
  quantity: Quantity,
  schedule: NoiseSchedule,
  xt: tf.Tensor,
  t: PerExample,
  condition?: Condition,
) => tf.Tensor;

/** The distribution of which the averages are these. */
export function exactDistribution(expectation: Expectation): ExactDistribution {
  const expected: Expectation = (quantity, schedule, xt, t, condition) => {
    checkPerExample('t', t, 'xt', xt);
    return expectation(quantity, schedule, xt, t, condition);
  };
  return {
    x0: (...asked) => expected(cleanMean, ...asked),
    score: (...asked) => expected(logGradient, ...asked),
    denoiser(schedule, predicts) {
      const timeOf = timeTold(schedule, predicts);
      const prediction = predictedMean(predicts, schedule);
      return (input, told, condition) => {
        const t = timesOf(told, timeOf);
        checkPerExample('told', t, 'input', input);
        const scale = mapExamples(t, (time) => 1 / (predicts.at(schedule.level(time), schedule).in ?? 1));
        return tf.tidy(() => expected(prediction, schedule, axpby(scale, input, 0, input), t, condition));
      };
    },
  };
}

/** The times of a batch: one for all where they are told the same, as a sampler does. */
function timesOf(told: tf.Tensor1D, timeOf: (told: number) => number): PerExample {
  const numbers = told.dataSync();
  const [first] = numbers;
  if (first !== undefined && numbers.every((number) => number === first)) return timeOf(first);
  return Float64Array.from(numbers, timeOf);
}
