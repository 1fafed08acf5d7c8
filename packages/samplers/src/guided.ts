import type { GaussianReverseProcess } from '@diffusion-ts/reverse-process';
import { type Condition, chooseRows, joinRows, type PerExample, whenAnswered } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type Guidance, guide, type Pair, say } from './guidance.js';

/** How strongly samples are drawn to their condition, and what stands for none. */
export interface GuidanceOptions extends Guidance {
  /**
   * What is told in place of the condition where there is none, one row of each tensor that is hidden: of a class
   * `{ label }`, the number of classes, by the convention of training. It remains the caller's.
   */
  readonly empty: Condition;
}

/**
 * The process with classifier-free guidance, eq. 6 of Ho & Salimans 2022: (1 + w) ε_θ(x_t, c) − w ε_θ(x_t), both from one
 * evaluation of its network on a doubled batch. The bad denoiser is the same network without its condition.
 *
 * @throws RangeError if the scale is not finite, the interval is empty, `rescale` is not from 0 to 1 or nothing is hidden;
 * when evaluated, TypeError if there is no condition, RangeError if it lacks what is hidden.
 * @example
 * const empty = { label: tf.tensor1d([10], 'int32') }; // of ten digits the eleventh: "no label"
 * const sevens = guided(reverse, { scale: 2, empty });
 * const condition = { label: tf.fill([16], 7, 'int32') };
 * const x0 = await finish(ddim({ times: trailing(50) })(sevens, xT, { condition })); // xT is [16, 28, 28, 1]
 */
export function guided(
  reverse: GaussianReverseProcess,
  { empty, ...guidance }: GuidanceOptions,
): GaussianReverseProcess {
  if (Object.keys(empty ?? {}).length === 0)
    throw new RangeError('empty must hold what is told without a condition');
  return guide(reverse, guidance, (process, condition) => {
    if (condition === undefined)
      throw new TypeError('condition is missing, and guidance needs one to guide to');
    return (xt, t) => onDoubled(process, xt, t, condition, empty);
  });
}

/** The answers to a batch with the condition, and then without. */
function onDoubled(
  process: GaussianReverseProcess,
  xt: tf.Tensor,
  t: PerExample,
  condition: Condition,
  empty: Condition,
): Pair | Promise<Pair> {
  const both = tf.tidy((): { xt: tf.Tensor; condition: Condition & tf.NamedTensorMap } => {
    const free = chooseRows(tf.ones([xt.shape[0]!], 'bool'), empty, condition);
    return { xt: tf.concat([xt, xt], 0), condition: joinRows(condition, free) };
  });
  const times = typeof t === 'number' ? t : Float64Array.of(...t, ...t);
  return whenAnswered(
    () => say(process, both.xt, times, both.condition),
    ({ prediction, raw }): Pair => {
      const halves = tf.split(prediction, 2, 0) as [tf.Tensor, tf.Tensor];
      const [variance, unused] = raw ? tf.split(raw, 2, 0) : [];
      tf.dispose([prediction, raw ?? [], unused ?? []]);
      return { good: { prediction: halves[0], ...(variance && { raw: variance }) }, bad: halves[1] };
    },
    () => tf.dispose(both),
  );
}
