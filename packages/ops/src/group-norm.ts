import * as tf from '@tensorflow/tfjs-core';
import type { Activation } from './kernels.js';
import { defineKernel } from './run-kernel.js';
import { siluGrad } from './silu.js';

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
    const grouped = split(x, groups);
    const mean = tf.mean(grouped, [1, 3], true);
    const centred = tf.sub(grouped, mean);
    const variance = tf.mean(tf.square(centred), [1, 3], true);
    const inverseDeviation = tf.rsqrt(tf.add(variance, epsilon));
    const normalised = merge(tf.mul(centred, inverseDeviation), x);
    const affine = tf.add(tf.mul(normalised, perChannel(scale, x)), perChannel(offset, x));
    const y = activation === 'silu' ? tf.mul(affine, tf.sigmoid(affine)) : affine;
    return [
      tf.reshape(y, x.shape),
      tf.reshape(mean, [x.shape[0]!, groups]),
      tf.reshape(inverseDeviation, [x.shape[0]!, groups]),
    ];
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
    const batch = x.shape[0]!;
    const perGroup = (t: tf.Tensor): tf.Tensor => tf.reshape(t, [batch, 1, groups, 1]);
    const normalised = merge(tf.mul(tf.sub(split(x, groups), perGroup(mean)), perGroup(inverseDeviation)), x);
    const dy3 = tf.reshape(dy, normalised.shape);
    const dAffine =
      activation === 'silu'
        ? siluGrad(
            { dy: dy3, x: tf.add(tf.mul(normalised, perChannel(scale, x)), perChannel(offset, x)) },
            {},
          )[0]
        : dy3;
    const summedOver = scale.rank === 1 ? [0, 1] : [1];
    const dscale = tf.sum(tf.mul(dAffine, normalised), summedOver);
    const doffset = tf.sum(dAffine, summedOver);
    const g = split(tf.mul(dAffine, perChannel(scale, x)), groups);
    const n = split(normalised, groups);
    const dx = tf.mul(
      tf.sub(tf.sub(g, tf.mean(g, [1, 3], true)), tf.mul(n, tf.mean(tf.mul(g, n), [1, 3], true))),
      perGroup(inverseDeviation),
    );
    return [tf.reshape(dx, x.shape), dscale, doffset];
  },
);

/** `[N, …, C]` as `[N, positions, groups, C / groups]`. */
function split(x: tf.Tensor, groups: number): tf.Tensor4D {
  return tf.reshape(x, [x.shape[0]!, -1, groups, x.shape[x.rank - 1]! / groups]);
}

/** `[N, positions, groups, C / groups]` as `[N, positions, C]`, C that of x. */
function merge(grouped: tf.Tensor, x: tf.Tensor): tf.Tensor3D {
  return tf.reshape(grouped, [x.shape[0]!, -1, x.shape[x.rank - 1]!]);
}

/** `[C]` or `[N, C]` as `[1 or N, 1, C]`. */
function perChannel(t: tf.Tensor, x: tf.Tensor): tf.Tensor3D {
  return tf.reshape(t, [-1, 1, x.shape[x.rank - 1]!]);
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
