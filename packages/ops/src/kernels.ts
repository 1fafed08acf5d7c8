import type { Tensor, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';

/** Rows and columns of zeros around an image. */
export type Padding = {
  /** Rows above. */
  top: number;
  /** Rows below. */
  bottom: number;
  /** Columns to the left. */
  left: number;
  /** Columns to the right. */
  right: number;
};

/** What is applied after a normalisation. */
export type Activation = 'none' | 'silu';

/** How a convolution moves over its image. */
export type Conv2DAttrs = {
  /** Pixels from one place of the filter to the next, in both directions. */
  stride: number;
  /** Zeros around the image. */
  padding: Padding;
};

/** `[batch, …, channels]` is normalised over each example and group of consecutive channels. */
export type GroupNormAttrs = {
  /** How many groups the channels make; it divides them. */
  groups: number;
  /** What is added to the variance under the root. */
  epsilon: number;
  /** What is applied to the result. */
  activation: Activation;
};

/** The numbers of one step of AdamW; what is undefined is not done. */
export type AdamWAttrs = {
  /** How many parameters there are. */
  count: number;
  /** The first step is 1. */
  step: number;
  /** The learning rate, from 0 up. */
  learningRate: number;
  /** How much of the running mean of the gradients a step keeps, in [0, 1). */
  beta1: number;
  /** How much of the running mean of their squares, in [0, 1). */
  beta2: number;
  /** What is added to the root of the second, positive. */
  epsilon: number;
  /** Decoupled: the weights shrink by learningRate · weightDecay. */
  weightDecay: number;
  /** The gradients are scaled down to this norm, all together, if theirs is larger. */
  maxGradNorm?: number;
  /** How much of the moving average a step keeps, in [0, 1]. */
  emaDecay?: number;
};

/**
 * The kernels that a backend may register under these names with `tf.registerKernel`; where it does, the ops run them
 * instead of the composed form. All tensors are float32, images NHWC, convolution weights HWIO, linear weights
 * `[in, out]`. A kernel returns fresh tensors, in the order of `outputs` (one output: the tensor itself or an array of
 * one), never one of its inputs. It only computes forward: the gradients are registered here, and call the `…Grad` and
 * `…Backprop…` kernels. NaN and infinity pass through as in IEEE 754.
 */
export interface Kernels {
  /**
   * Cross-correlation with zero padding, y = x ∗ weight + bias + residual: x `[N, H, W, I]`, weight `[KH, KW, I, O]`,
   * bias `[O]`, residual of the shape of y.
   */
  DiffusionConv2D: {
    inputs: { x: Tensor4D; weight: Tensor4D; bias?: Tensor1D; residual?: Tensor4D };
    attrs: Conv2DAttrs;
    outputs: [y: Tensor4D];
  };
  /** The gradient for x, of `inputShape`: dy `[N, OH, OW, O]`. */
  DiffusionConv2DBackpropInput: {
    inputs: { dy: Tensor4D; weight: Tensor4D };
    attrs: Conv2DAttrs & { inputShape: number[] };
    outputs: [dx: Tensor4D];
  };
  /** The gradient for the weight, of `filterShape`. */
  DiffusionConv2DBackpropFilter: {
    inputs: { x: Tensor4D; dy: Tensor4D };
    attrs: Conv2DAttrs & { filterShape: number[] };
    outputs: [dweight: Tensor4D];
  };
  /** y = x weight + bias: x `[…, in]`, weight `[in, out]`, bias `[out]`. Composed of `_FusedMatMul`. */
  DiffusionLinear: {
    inputs: { x: Tensor; weight: Tensor2D; bias?: Tensor1D };
    attrs: Record<never, never>;
    outputs: [y: Tensor];
  };
  /** The gradient for a bias: the sum of dy `[…, C]` over all axes but the last, `[C]`. */
  DiffusionBiasGrad: {
    inputs: { dy: Tensor };
    attrs: Record<never, never>;
    outputs: [dbias: Tensor1D];
  };
  /** silu(x) = x σ(x), any shape. */
  DiffusionSilu: {
    inputs: { x: Tensor };
    attrs: Record<never, never>;
    outputs: [y: Tensor];
  };
  /** dx = dy σ(x) (1 + x (1 − σ(x))). */
  DiffusionSiluGrad: {
    inputs: { dy: Tensor; x: Tensor };
    attrs: Record<never, never>;
    outputs: [dx: Tensor];
  };
  /**
   * x `[N, …, C]` in `groups` groups of C / groups consecutive channels:
   * y = activation(scale (x − mean) inverseDeviation + offset), inverseDeviation = 1 / √(variance + epsilon), with the
   * variance that divides by the count. scale and offset are both `[C]`, or both `[N, C]` (one row per example).
   * mean and inverseDeviation are `[N, groups]`, saved for the gradient.
   */
  DiffusionGroupNorm: {
    inputs: { x: Tensor; scale: Tensor; offset: Tensor };
    attrs: GroupNormAttrs;
    outputs: [y: Tensor, mean: Tensor2D, inverseDeviation: Tensor2D];
  };
  /** The gradients for x, scale and offset, of their shapes. */
  DiffusionGroupNormGrad: {
    inputs: {
      dy: Tensor;
      x: Tensor;
      scale: Tensor;
      offset: Tensor;
      mean: Tensor2D;
      inverseDeviation: Tensor2D;
    };
    attrs: GroupNormAttrs;
    outputs: [dx: Tensor, dscale: Tensor, doffset: Tensor];
  };
  /**
   * y = softmax(q kᵀ / √D) v: q `[N, heads, L, D]`, k and v `[N, heads, M, D]`. logSumExp `[N, heads, L]` is that of
   * the rows of q kᵀ / √D, saved for the gradient: the weights are exp(q kᵀ / √D − logSumExp).
   */
  DiffusionAttention: {
    inputs: { q: Tensor4D; k: Tensor4D; v: Tensor4D };
    attrs: Record<never, never>;
    outputs: [y: Tensor4D, logSumExp: Tensor];
  };
  /** The gradients for q, k and v; y and logSumExp are those of the forward pass. */
  DiffusionAttentionGrad: {
    inputs: { dy: Tensor4D; q: Tensor4D; k: Tensor4D; v: Tensor4D; y: Tensor4D; logSumExp: Tensor };
    attrs: Record<never, never>;
    outputs: [dq: Tensor4D, dk: Tensor4D, dv: Tensor4D];
  };
  /** Every pixel of x `[N, H, W, C]` becomes factor × factor pixels. */
  DiffusionUpsampleNearest: {
    inputs: { x: Tensor4D };
    attrs: { factor: number };
    outputs: [y: Tensor4D];
  };
  /** The sums of dy over blocks of factor × factor pixels. */
  DiffusionUpsampleNearestGrad: {
    inputs: { dy: Tensor4D };
    attrs: { factor: number };
    outputs: [dx: Tensor4D];
  };
  /**
   * One step of AdamW over `count` parameters. The inputs are named `param0`, `grad0`, `m0`, `v0` and, if `emaDecay` is
   * given, `ema0` for the first parameter, and so on. The outputs are the norms `[2]` of all gradients together (before
   * clipping) and of all new params, each the root of a sum of squares rounded to float32, then every new param, every m,
   * every v and, if given, every ema + (1 − emaDecay) (param − ema), with 1 − emaDecay rounded once. No input is written
   * to.
   */
  DiffusionAdamW: {
    inputs: Record<`${'param' | 'grad' | 'm' | 'v' | 'ema'}${number}`, Tensor>;
    attrs: AdamWAttrs;
    outputs: Tensor[];
  };
}

/** The name of a kernel of the contract. */
export type KernelName = keyof Kernels;
