export { type AdamWStepOptions, type AdamWStepResult, adamWStep, checkAdamW } from './adam-w.js';
export { scaledDotProductAttention } from './attention.js';
export { checkKernel } from './check-kernel.js';
export { type Conv2DOptions, conv2d } from './conv2d.js';
export { type GroupNormOptions, groupNorm } from './group-norm.js';
export type {
  Activation,
  AdamWAttrs,
  Conv2DAttrs,
  GroupNormAttrs,
  KernelName,
  Kernels,
  Padding,
} from './kernels.js';
export { linear } from './linear.js';
export { ofNothing } from './of-nothing.js';
export { silu } from './silu.js';
export { upsampleNearest } from './upsample-nearest.js';
