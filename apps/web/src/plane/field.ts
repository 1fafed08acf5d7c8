import type { GaussianReverseProcess } from '@diffusion-ts/reverse-process';
import * as tf from '@tensorflow/tfjs-core';
import { averaged, type PlaneModel } from './model.js';

/** The score on a grid of the plane. */
export interface PlaneField {
  /** Columns and rows of the grid. */
  readonly size: number;
  /** The grid covers [−extent, extent]². */
  readonly extent: number;
  /** ∇ ln p at each grid point, x and y in turn. */
  readonly learned: Float32Array;
  /** ∇ ln q where it is known. */
  readonly exact?: Float32Array;
}

/** The learned score at a time, and the exact one. */
export async function fieldOf(
  model: PlaneModel,
  { t, size, extent }: { readonly t: number } & Pick<PlaneField, 'size' | 'extent'>,
): Promise<PlaneField> {
  const xt = tf.tidy(() => {
    const ticks = tf.linspace(-extent, extent, size);
    const axes = tf.meshgrid(ticks, ticks);
    return tf.stack(
      axes.map((axis) => tf.reshape(axis, [-1])),
      1,
    );
  });
  const learned = await scoreOf(averaged(model), xt, t);
  const exact = model.source.exact?.score(model.forward.schedule, xt, t);
  try {
    return {
      size,
      extent,
      learned: await learned.data<'float32'>(),
      ...(exact && { exact: await exact.data<'float32'>() }),
    };
  } finally {
    tf.dispose([xt, learned, exact ?? []]);
  }
}

/** ∇ ln p(x_t) of a process that does not clip: E[ε | x_t] = −σ ∇ ln q(x_t). */
async function scoreOf(reverse: GaussianReverseProcess, xt: tf.Tensor, t: number): Promise<tf.Tensor> {
  const evaluation = await reverse.evaluate(xt, t);
  const { sigma } = reverse.forward.schedule.level(t);
  try {
    return tf.tidy(() => tf.mul(evaluation.epsilon(), -1 / sigma));
  } finally {
    evaluation.dispose();
  }
}
