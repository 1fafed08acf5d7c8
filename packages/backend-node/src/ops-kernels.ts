import type { GroupNormAttrs } from '@diffusion-ts/ops';
import * as tf from '@tensorflow/tfjs-core';
import { convolutionKernels } from './convolution.js';
import { integer, kernel } from './kernel.js';
import type { NodeBackend, OpAttr } from './tfjs-node.js';

/** The kernels of the contract of `@diffusion-ts/ops`, in C++ (native/kernels). */
export const opsKernels: readonly tf.KernelConfig[] = [
  ...convolutionKernels,
  kernel('DiffusionLinear', (backend, { x, weight, bias }) => {
    const biases = bias ? [bias] : [];
    const count = integer(backend, 'B', biases.length);
    return backend.executeMultipleOutputs('DiffusionLinear', [count], [x, weight, ...biases], 1);
  }),
  kernel('DiffusionBiasGrad', (backend, { dy }) =>
    backend.executeMultipleOutputs('DiffusionBiasGrad', [], [dy], 1),
  ),
  kernel('DiffusionSilu', (backend, { x }) => backend.executeMultipleOutputs('DiffusionSilu', [], [x], 1)),
  kernel('DiffusionSiluGrad', (backend, { dy, x }) =>
    backend.executeMultipleOutputs('DiffusionSiluGrad', [], [dy, x], 1),
  ),
  kernel('DiffusionGroupNorm', (backend, { x, scale, offset }, attrs) => {
    const epsilon = { name: 'epsilon', type: backend.binding.TF_ATTR_FLOAT, value: attrs.epsilon };
    const numbers = [...groupsAndSilu(backend, attrs), epsilon];
    return backend.executeMultipleOutputs('DiffusionGroupNorm', numbers, [x, scale, offset], 3);
  }),
  kernel('DiffusionGroupNormGrad', (backend, { dy, x, scale, offset, mean, inverseDeviation }, attrs) =>
    backend.executeMultipleOutputs(
      'DiffusionGroupNormGrad',
      groupsAndSilu(backend, attrs),
      [dy, x, scale, offset, mean, inverseDeviation],
      3,
    ),
  ),
  kernel('DiffusionAttention', (backend, { q, k, v }) =>
    backend.executeMultipleOutputs('DiffusionAttention', [], [q, k, v], 2),
  ),
  kernel('DiffusionAttentionGrad', (backend, { dy, q, k, v, y, logSumExp }) =>
    backend.executeMultipleOutputs('DiffusionAttentionGrad', [], [dy, q, k, v, y, logSumExp], 3),
  ),
  kernel('DiffusionUpsampleNearest', (backend, { x }, { factor }) =>
    backend.executeMultipleOutputs('DiffusionUpsampleNearest', [integer(backend, 'factor', factor)], [x], 1),
  ),
  kernel('DiffusionUpsampleNearestGrad', (backend, { dy }, { factor }) =>
    backend.executeMultipleOutputs(
      'DiffusionUpsampleNearestGrad',
      [integer(backend, 'factor', factor)],
      [dy],
      1,
    ),
  ),
  kernel('DiffusionAdamW', (backend, inputs, attrs) => {
    const { count, step, learningRate, beta1, beta2, epsilon, weightDecay, maxGradNorm, emaDecay } = attrs;
    const averages = emaDecay === undefined ? 0 : count;
    const numbers = tf.tensor1d([
      maxGradNorm ?? -1,
      ...[beta1, 1 - beta1, beta2, 1 - beta2],
      ...[1 - learningRate * weightDecay, learningRate / (1 - beta1 ** step)],
      ...[1 / Math.sqrt(1 - beta2 ** step), epsilon, 1 - (emaDecay ?? 0)],
    ]);
    const trees = [...(['param', 'grad', 'm', 'v'] as const), ...(averages ? (['ema'] as const) : [])];
    const tensors = trees.flatMap((tree) => Array.from({ length: count }, (_, i) => inputs[`${tree}${i}`]!));
    const outputs = backend.executeMultipleOutputs(
      'DiffusionAdamW',
      [integer(backend, 'N', count), integer(backend, 'E', averages)],
      [numbers, ...tensors],
      1 + 3 * count + averages,
    );
    numbers.dispose();
    return outputs;
  }),
];

function groupsAndSilu(backend: NodeBackend, { groups, activation }: GroupNormAttrs): OpAttr[] {
  return [integer(backend, 'groups', groups), integer(backend, 'silu', activation === 'silu' ? 1 : 0)];
}
