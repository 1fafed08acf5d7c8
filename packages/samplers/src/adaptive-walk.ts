import type { ReverseProcess } from '@diffusion-ts/reverse-process';
import type { NoiseLevel } from '@diffusion-ts/schedules';
import { checkTensor } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { adaptively, type Pair } from './embedded-pair.js';
import type { SamplerOptions, SamplerStep } from './sampler.js';

/** A sample and what the network sees in it. */
interface Seen {
  readonly x: tf.Tensor;
  readonly x0: tf.Tensor;
}

/** The coordinates in which an adaptive solver follows the flow. New tensors, which belong to the caller. */
export interface Frame {
  /** What the solver steps through, of a level. */
  coordinate(level: NoiseLevel): number;
  /** The level at a coordinate. */
  level(coordinate: number): NoiseLevel;
  /** What it moves, of a sample. */
  enter(x: tf.Tensor, level: NoiseLevel): tf.Tensor;
  /** The sample again. */
  leave(y: tf.Tensor, level: NoiseLevel): tf.Tensor;
  /** What its formulas go by, of x̂_0. */
  slope(y: tf.Tensor, x0: tf.Tensor, level: NoiseLevel): tf.Tensor;
  /** x̂_0 again. */
  x0(y: tf.Tensor, slope: tf.Tensor, level: NoiseLevel): tf.Tensor;
}

/** The steps of an embedded pair from a level to another, and a last one to the data, which takes x̂_0. */
export async function* adaptiveWalk(
  reverse: ReverseProcess,
  start: tf.Tensor,
  [first, last, data]: readonly [NoiseLevel, NoiseLevel, NoiseLevel],
  { frame, pair, order, tolerance }: { frame: Frame; pair: Pair; order: number; tolerance: number },
  { signal, condition }: SamplerOptions,
): AsyncGenerator<SamplerStep, tf.Tensor> {
  checkTensor('xT', start);
  const [from, to] = [frame.coordinate(first), frame.coordinate(last)];
  // The ends as they are, without the rounding of there and back.
  const levelAt = (s: number): NoiseLevel => (s === from ? first : s === to ? last : frame.level(s));
  const field = async ([y]: readonly tf.Tensor[], s: number): Promise<tf.Tensor[]> => {
    const level = levelAt(s);
    const x = tf.tidy(() => tf.clone(frame.leave(y!, level)));
    try {
      const evaluation = await reverse.evaluate(x, level.t, condition);
      try {
        return [tf.tidy(() => tf.clone(frame.slope(y!, evaluation.x0(), level)))];
      } finally {
        evaluation.dispose();
      }
    } finally {
      x.dispose();
    }
  };
  const seen = ([y]: readonly tf.Tensor[], [slope]: readonly tf.Tensor[], level: NoiseLevel): Seen =>
    tf.tidy(() => ({
      x: tf.clone(frame.leave(y!, level)),
      x0: tf.clone(frame.x0(y!, slope!, level)),
    }));

  const y0 = tf.tidy(() => tf.clone(frame.enter(start, first)));
  const run = adaptively(pair, field, [y0], { from, to, tolerance, order, signal });
  let index = 0;
  let shown: Seen | undefined;
  const forget = (): void => tf.dispose([shown?.x ?? [], shown?.x0 ?? []]);
  try {
    let next = await run.next();
    for (; !next.done; next = await run.next()) {
      const { s, to, y, slope } = next.value;
      shown = seen(y, slope, levelAt(s));
      yield { from: levelAt(s), to: levelAt(to), ...shown, index };
      forget();
      index += 1;
    }
    const { y, slope } = next.value;
    shown = seen(y, slope, last);
    tf.dispose([...y, ...slope]);
    yield { from: last, to: data, ...shown, index };
    return tf.clone(shown.x0);
  } finally {
    await run.return(undefined as never);
    forget();
    y0.dispose();
  }
}
