import type { Conv2DAttrs } from '@diffusion-ts/ops';
import * as tf from '@tensorflow/tfjs-core';
import { floats, integer, kernel } from './kernel.js';
import type { NodeBackend, OpAttr } from './tfjs-node.js';

/**
 * Our convolutions (native/kernels), by Winograd's algorithm where it applies; of TensorFlow's, the gradient for the
 * input of one with a stride.
 */
export const convolutionKernels: readonly tf.KernelConfig[] = [
  kernel('DiffusionConv2D', (backend, { x, weight, bias, residual }, attrs) => {
    const biases = bias ? [bias] : [];
    const residuals = residual ? [residual] : [];
    const counts = [integer(backend, 'B', biases.length), integer(backend, 'R', residuals.length)];
    const inputs = [x, weight, ...biases, ...residuals];
    return backend.executeMultipleOutputs(
      'DiffusionConv2D',
      [...geometry(backend, attrs), ...counts],
      inputs,
      1,
    );
  }),
  kernel('DiffusionConv2DBackpropInput', (backend, { dy, weight }, attrs) => {
    if (attrs.stride !== 1) return [stridedInputGradient(backend, dy, weight, attrs)];
    const [, height, width] = attrs.inputShape as Sizes;
    const sizes = [integer(backend, 'height', height), integer(backend, 'width', width)];
    return backend.executeMultipleOutputs(
      'DiffusionConv2DBackpropInput',
      [...geometry(backend, attrs), ...sizes],
      [dy, weight],
      1,
    );
  }),
  kernel('DiffusionConv2DBackpropFilter', (backend, { x, dy }, attrs) => {
    const [height, width] = attrs.filterShape as Sizes;
    const sizes = [integer(backend, 'filter_height', height), integer(backend, 'filter_width', width)];
    return backend.executeMultipleOutputs(
      'DiffusionConv2DBackpropFilter',
      [...geometry(backend, attrs), ...sizes],
      [x, dy],
      1,
    );
  }),
];

type Sizes = [number, number, number, number];

function geometry(backend: NodeBackend, { stride, padding }: Conv2DAttrs): OpAttr[] {
  return [
    integer(backend, 'stride', stride),
    ...(['top', 'bottom', 'left', 'right'] as const).map((side) => integer(backend, side, padding[side])),
  ];
}

/**
 * TensorFlow's. It is oneDNN's only for the paddings SAME and VALID: with a stated one it takes two to three times as
 * long, so that the gradient is that of the padded input, without its sides.
 */
function stridedInputGradient(
  backend: NodeBackend,
  dy: tf.TensorInfo,
  weight: tf.TensorInfo,
  { stride, padding: { top, bottom, left, right }, inputShape }: Conv2DAttrs & { inputShape: number[] },
): tf.Tensor {
  const [batch, height, width, channels] = inputShape as Sizes;
  const sizes = tf.tensor1d([batch, height + top + bottom, width + left + right, channels], 'int32');
  const attrs = [
    floats(backend),
    integer(backend, 'strides', [1, stride, stride, 1]),
    { name: 'padding', type: backend.binding.TF_ATTR_STRING, value: 'VALID' },
  ];
  const [padded] = backend.executeMultipleOutputs('Conv2DBackpropInput', attrs, [sizes, weight, dy], 1);
  const dx = tf.slice(padded!, [0, top, left, 0], inputShape);
  tf.dispose([sizes, padded!]);
  return dx;
}
