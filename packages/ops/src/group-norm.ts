import * as tf from '@tensorflow/tfjs-core';
import type { Activation } from './kernels.js';
import { joinPositions, meanOverPositions, sumOverRows } from './positions.js';
import { defineKernel } from './run-kernel.js';
import { silu, siluGrad } from './silu.js';

/** What a normalisation is made of. */
export interface GroupNormOptions {
  /** How many groups of consecutive channels; it divides the number of channels. */
  groups: number;
  /** Added to the variance. */
  epsilon: number;
  /** Applied at the end; none unless given. */
  activation?: Exclude<Activation, 'none'>;
  /** Per-example `[N, C]`, applied after scale and offset: y (1 + scale) + shift. */
  modulation?: { scale: tf.Tensor2D; shift: tf.Tensor2D };
}

/**
 * Group normalisation (Wu and He 2018) of x `[N, …, C]` over each example and group of consecutive channels, with
 * scale and offset `[C]`, then the modulation by a time embedding (Dhariwal and Nichol 2021), then the activation:
 * y = activation(((x − mean) / √(variance + epsilon) · scale + offset) (1 + modulation.scale) + modulation.shift).
 * @throws RangeError if the shapes do not fit each other or the groups do not divide the channels.
 */
export function groupNorm<T extends tf.Tensor>(
  x: T,
  scale: tf.Tensor1D,
  offset: tf.Tensor1D,
  { groups, epsilon, activation, modulation }: GroupNormOptions,
): T {
  check(x, scale, offset, groups, modulation);
  return tf.tidy(() => {
    // Modulated, each example has a scale and an offset of its own; they are small.
    const factor = modulation && tf.add(modulation.scale, 1);
    const [y] = kernel(
      {
        x,
        scale: factor ? tf.mul(scale, factor) : scale,
        offset: factor ? tf.add(tf.mul(offset, factor), modulation!.shift) : offset,
      },
      { groups, epsilon, activation: activation ?? 'none' },
    );
    return y as T;
  });
}

const kernel = defineKernel(
  'DiffusionGroupNorm',
  ({ x, scale, offset }, { groups, epsilon, activation }) => {
    const { batch, positions, channels } = dimensions(x);
    const { join, repeat } = joinPositions(positions, channels);
    const groupMean = (t: tf.Tensor): tf.Tensor => {
      const mean = meanOverPositions(tf.reshape(t, [batch, positions, channels]));
      return tf.mean(tf.reshape(mean, [batch, groups, channels / groups]), 2);
    };
    // A variance about the mean does not cancel where the mean is large; what the mean lost is put right at the end.
    const roundedMean = groupMean(x);
    const centred = tf.sub(join(x), repeat(perChannel(roundedMean, channels)));
    const rounding = groupMean(centred);
    const variance = groupMean(tf.square(centred));
    const inverseDeviation = tf.rsqrt(tf.add(variance, epsilon));

    const factor = tf.mul(perChannel(inverseDeviation, channels), scale);
    const shift = tf.sub(offset, tf.mul(perChannel(rounding, channels), factor));
    const affine = tf.add(tf.mul(centred, repeat(factor)), repeat(shift));
    const y = activation === 'silu' ? silu(affine) : affine;
    return [tf.reshape(y, x.shape), tf.add(roundedMean, rounding), inverseDeviation];
  },
  {
    inputsToSave: ['x', 'scale', 'offset'],
    outputsToSave: [false, true, true],
    gradFunc: (dys, [x, scale, offset, mean, inverseDeviation], attrs) => {
      const [dx, dscale, doffset] = groupNormGrad(
        {
          dy: (dys as tf.Tensor[])[0]!,
          x: x!,
          scale: scale!,
          offset: offset!,
          mean: mean as tf.Tensor2D,
          inverseDeviation: inverseDeviation as tf.Tensor2D,
        },
        attrs,
      );
      return { x: () => dx, scale: () => dscale, offset: () => doffset };
    },
  },
);

const groupNormGrad = defineKernel(
  'DiffusionGroupNormGrad',
  ({ dy, x, scale, offset, mean, inverseDeviation }, { groups, activation }) => {
    const { batch, positions, channels } = dimensions(x);
    const { join, repeat } = joinPositions(positions, channels);
    const sumOverPositions = (t: tf.Tensor): tf.Tensor =>
      tf.mul(meanOverPositions(tf.reshape(t, [batch, positions, channels])), positions);
    const groupMean = (sums: tf.Tensor): tf.Tensor => {
      const mean = tf.mean(tf.reshape(sums, [batch, groups, channels / groups]), 2);
      return perChannel(tf.div(mean, positions), channels);
    };
    const inverse = perChannel(inverseDeviation, channels);
    const factor = tf.mul(inverse, scale);
    const centred = tf.sub(join(x), repeat(perChannel(mean, channels)));
    const dAffine =
      activation === 'silu'
        ? siluGrad({ dy: join(dy), x: tf.add(tf.mul(centred, repeat(factor)), repeat(offset)) }, {})[0]
        : join(dy);

    // Per example and channel.
    const doffset = sumOverPositions(dAffine);
    const dscale = tf.mul(sumOverPositions(tf.mul(dAffine, centred)), inverse);
    // With n = (x − mean) / deviation: dx = (scale dAffine − mean(scale dAffine) − n mean(n scale dAffine)) / deviation.
    const constant = tf.neg(tf.mul(inverse, groupMean(tf.mul(scale, doffset))));
    const slope = tf.neg(tf.mul(tf.square(inverse), groupMean(tf.mul(scale, dscale))));
    const dx = tf.add(
      tf.mul(dAffine, repeat(factor)),
      tf.add(tf.mul(centred, repeat(slope)), repeat(constant)),
    );
    return [
      tf.reshape(dx, x.shape),
      scale.rank === 1 ? sumOverRows(dscale) : dscale,
      offset.rank === 1 ? sumOverRows(doffset) : doffset,
    ];
  },
);

function dimensions(x: tf.Tensor): { batch: number; positions: number; channels: number } {
  const batch = x.shape[0]!;
  const channels = x.shape[x.rank - 1]!;
  return { batch, channels, positions: x.size / (batch * channels) };
}

/** `[N, groups]` as `[N, channels]`. */
function perChannel(t: tf.Tensor, channels: number): tf.Tensor2D {
  const [batch, groups] = t.shape as [number, number];
  const repeated = tf.mul(tf.reshape(t, [batch, groups, 1]), tf.ones([1, 1, channels / groups]));
  return tf.reshape(repeated, [batch, channels]);
}

function check(
  x: tf.Tensor,
  scale: tf.Tensor1D,
  offset: tf.Tensor1D,
  groups: number,
  modulation: GroupNormOptions['modulation'],
): void {
  const batch = x.shape[0];
  const channels = x.shape[x.rank - 1];
  if (x.rank < 2) throw new RangeError(`x must be [N, …, C], not [${x.shape}]`);
  if (!Number.isInteger(groups) || groups < 1 || channels! % groups !== 0) {
    throw new RangeError(`groups must divide the ${channels} channels, ${groups} does not`);
  }
  for (const [name, tensor] of Object.entries({ scale, offset })) {
    if (tensor.rank !== 1 || tensor.shape[0] !== channels) {
      throw new RangeError(`${name} must be [${channels}] for x [${x.shape}], not [${tensor.shape}]`);
    }
  }
  for (const [name, tensor] of Object.entries(modulation ?? {})) {
    if (tensor.rank !== 2 || tensor.shape[0] !== batch || tensor.shape[1] !== channels) {
      throw new RangeError(
        `modulation.${name} must be [${batch}, ${channels}] for x [${x.shape}], not [${tensor.shape}]`,
      );
    }
  }
}
