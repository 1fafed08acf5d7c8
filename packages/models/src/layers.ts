import { type Conv2DOptions, conv2d, type GroupNormOptions, groupNorm, linear } from '@diffusion-ts/ops';
import type { Layout, Params } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { kaimingUniform, ones, standardNormal, zeros } from './initial.js';
import type { Declare } from './model.js';

// Each layer declares its parameters under its name and returns a function of them.

/** HWIO, which is OIHW in PyTorch. */
const CONVOLUTION: Layout = [3, 2, 0, 1];
/** [in, out], which is [out, in] in PyTorch. */
const LINEAR: Layout = [1, 0];

/**
 * A convolution with bias, `[N, H, W, inputs]` to `[N, H', W', outputs]`, and a residual added to it, if there is one;
 * one that is `zeroed` begins as the zero map.
 */
export function convolutionLayer(
  declare: Declare,
  name: string,
  { inputs, outputs, size, zeroed = false, ...options }: Omit<Conv2DOptions, 'residual'> & ConvolutionShape,
): (params: Params, x: tf.Tensor4D, residual?: tf.Tensor4D) => tf.Tensor4D {
  const initial = zeroed ? zeros : kaimingUniform(inputs * size ** 2);
  const weight = declare<tf.Tensor4D>(`${name}.weight`, [size, size, inputs, outputs], initial, CONVOLUTION);
  const bias = declare<tf.Tensor1D>(`${name}.bias`, [outputs], initial);
  return (params, x, residual) =>
    conv2d(x, weight(params), bias(params), { ...options, ...(residual && { residual }) });
}

interface ConvolutionShape {
  inputs: number;
  outputs: number;
  size: number;
  zeroed?: boolean;
}

/** A linear map with bias over the last axis; one that is `zeroed` begins as the zero map. */
export function linearLayer(
  declare: Declare,
  name: string,
  { inputs, outputs, zeroed = false }: { inputs: number; outputs: number; zeroed?: boolean },
): <T extends tf.Tensor>(params: Params, x: T) => T {
  const initial = zeroed ? zeros : kaimingUniform(inputs);
  const weight = declare<tf.Tensor2D>(`${name}.weight`, [inputs, outputs], initial, LINEAR);
  const bias = declare<tf.Tensor1D>(`${name}.bias`, [outputs], initial);
  return <T extends tf.Tensor>(params: Params, x: T) => linear(x, weight(params), bias(params)) as T;
}

/** Group normalisation with an affine map per channel. */
export function groupNormLayer(
  declare: Declare,
  name: string,
  { channels, groups, epsilon }: { channels: number; groups: number; epsilon: number },
): <T extends tf.Tensor>(
  params: Params,
  x: T,
  options?: Pick<GroupNormOptions, 'activation' | 'modulation'>,
) => T {
  const scale = declare<tf.Tensor1D>(`${name}.weight`, [channels], ones);
  const offset = declare<tf.Tensor1D>(`${name}.bias`, [channels], zeros);
  return (params, x, options) => groupNorm(x, scale(params), offset(params), { groups, epsilon, ...options });
}

/** A table of `count` vectors: labels `[batch]` to `[batch, size]`, a label that is not in the table to zeros. */
export function embeddingLayer(
  declare: Declare,
  name: string,
  { count, size }: { count: number; size: number },
): (params: Params, labels: tf.Tensor1D) => tf.Tensor2D {
  const table = declare<tf.Tensor2D>(`${name}.weight`, [count, size], standardNormal);
  // A product rather than a lookup: its gradient is one too, and needs no scatter, which not every backend has.
  // Asked for float32, the wasm backend's one-hot writes integers, so they are cast.
  return (params, labels) =>
    tf.tidy(() => linear(tf.cast(tf.oneHot(labels, count), 'float32'), table(params)) as tf.Tensor2D);
}
