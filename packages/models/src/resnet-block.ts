import type { Params, Rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { dropout } from './dropout.js';
import { convolutionLayer, groupNormLayer, linearLayer } from './layers.js';
import type { Declare } from './model.js';

/** What a residual block is made of. */
export interface ResnetOptions {
  inputs: number;
  outputs: number;
  /** Width of the time embedding; null: it is told no time. */
  timeSize: number | null;
  groups: number;
  epsilon: number;
  /** Whether the embedding is added ('default'), or scales and shifts the second normalisation. */
  timeScaleShift: 'default' | 'scale_shift';
  dropout: number;
  /** What the sum of the two ways is divided by. */
  outputScale: number;
}

/** x `[N, H, W, inputs]` and the activated embedding `[N, timeSize]`, if it is told one, to `[N, H, W, outputs]`. */
export type ResnetBlock = (
  params: Params,
  x: tf.Tensor4D,
  embedding: tf.Tensor2D | undefined,
  rng?: Rng,
) => tf.Tensor4D;

/**
 * The residual block of DDPM (Ho et al. 2020) and ADM (Dhariwal and Nichol 2021): two times normalise, activate,
 * convolve, told about the timestep in between; without one, that of the autoencoder of Rombach et al. 2022.
 */
export function resnetBlock(declare: Declare, name: string, options: ResnetOptions): ResnetBlock {
  const { inputs, outputs, timeSize, groups, epsilon, timeScaleShift, outputScale } = options;
  const modulates = timeScaleShift === 'scale_shift';
  const norm1 = groupNormLayer(declare, `${name}.norm1`, { channels: inputs, groups, epsilon });
  const conv1 = convolutionLayer(declare, `${name}.conv1`, { inputs, outputs, size: 3, padding: 1 });
  const timeProjection =
    timeSize === null
      ? undefined
      : linearLayer(declare, `${name}.time_emb_proj`, {
          inputs: timeSize,
          outputs: modulates ? 2 * outputs : outputs,
        });
  const norm2 = groupNormLayer(declare, `${name}.norm2`, { channels: outputs, groups, epsilon });
  const conv2 = convolutionLayer(declare, `${name}.conv2`, { inputs: outputs, outputs, size: 3, padding: 1 });
  const shortcut =
    inputs === outputs
      ? undefined
      : convolutionLayer(declare, `${name}.conv_shortcut`, { inputs, outputs, size: 1 });

  return (params, x, embedding, rng) =>
    tf.tidy(() => {
      let h = conv1(params, norm1(params, x, { activation: 'silu' }));
      const time = timeProjection?.(params, embedding!);
      if (time === undefined) {
        h = norm2(params, h, { activation: 'silu' });
      } else if (modulates) {
        const [scale, shift] = tf.split(time, 2, 1) as [tf.Tensor2D, tf.Tensor2D];
        h = norm2(params, h, { activation: 'silu', modulation: { scale, shift } });
      } else {
        h = norm2(params, tf.add(h, tf.reshape(time, [-1, 1, 1, outputs])), { activation: 'silu' });
      }
      h = dropout(h, options.dropout, rng?.fork(name));
      const sum = conv2(params, h, shortcut ? shortcut(params, x) : x);
      return outputScale === 1 ? sum : tf.div(sum, outputScale);
    });
}
