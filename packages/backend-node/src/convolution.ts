import type { Conv2DAttrs, Padding } from '@diffusion-ts/ops';
import * as tf from '@tensorflow/tfjs-core';
import { addTo } from './add-to.js';
import { floats, integer, kernel } from './kernel.js';
import type { NodeBackend, OpAttr } from './tfjs-node.js';

/**
 * TensorFlow's convolutions. Its gradients are oneDNN's only for the paddings SAME and VALID: with a stated one they
 * take two to three times as long, so x is padded beforehand instead.
 */
export const convolutionKernels: readonly tf.KernelConfig[] = [
  kernel('DiffusionConv2D', (backend, { x, weight, bias, residual }, { stride, padding }) => {
    const kind = kindOf(padding, x.shape, weight.shape, stride);
    const attrs = attributes(backend, stride, kind);
    if (kind === 'EXPLICIT') {
      const { top, bottom, left, right } = padding;
      attrs.push(integer(backend, 'explicit_paddings', [0, 0, top, bottom, left, right, 0, 0]));
    }
    return addTo(backend, backend.executeMultipleOutputs('Conv2D', attrs, [x, weight], 1), bias, residual);
  }),
  kernel('DiffusionConv2DBackpropInput', (backend, { dy, weight }, attrs) => {
    const { stride, padding, inputShape } = attrs;
    const kind = kindOf(padding, inputShape, weight.shape, stride);
    const gradient = (shape: number[], pad: Kind): tf.Tensor => {
      const sizes = tf.tensor1d(shape, 'int32');
      const inputs = [sizes, weight, dy];
      const [dx] = backend.executeMultipleOutputs(
        'Conv2DBackpropInput',
        attributes(backend, stride, pad),
        inputs,
        1,
      );
      sizes.dispose();
      return dx!;
    };
    if (kind !== 'EXPLICIT') return [gradient(inputShape, kind)];
    const [batch, height, width, channels] = inputShape as Sizes;
    const { top, bottom, left, right } = padding;
    const padded = gradient([batch, height + top + bottom, width + left + right, channels], 'VALID');
    const dx = tf.slice(padded, [0, top, left, 0], inputShape);
    padded.dispose();
    return [dx];
  }),
  kernel('DiffusionConv2DBackpropFilter', (backend, { x, dy }, { stride, padding, filterShape }) => {
    const kind = kindOf(padding, x.shape, filterShape, stride);
    const padded = kind === 'EXPLICIT' ? pad(x as tf.Tensor4D, padding) : x;
    const sizes = tf.tensor1d(filterShape, 'int32');
    const dweight = backend.executeMultipleOutputs(
      'Conv2DBackpropFilter',
      attributes(backend, stride, kind === 'EXPLICIT' ? 'VALID' : kind),
      [padded, sizes, dy],
      1,
    );
    sizes.dispose();
    if (padded !== x) (padded as tf.Tensor).dispose();
    return dweight;
  }),
];

type Kind = 'SAME' | 'VALID' | 'EXPLICIT';
type Sizes = [number, number, number, number];

function attributes(backend: NodeBackend, stride: number, padding: Kind): OpAttr[] {
  return [
    floats(backend),
    integer(backend, 'strides', [1, stride, stride, 1]),
    { name: 'padding', type: backend.binding.TF_ATTR_STRING, value: padding },
  ];
}

/** What TensorFlow calls a padding. */
function kindOf(
  { top, bottom, left, right }: Conv2DAttrs['padding'],
  inputShape: readonly number[],
  filterShape: readonly number[],
  stride: number,
): Kind {
  if (top === 0 && bottom === 0 && left === 0 && right === 0) return 'VALID';
  const [, height, width] = inputShape as Sizes;
  const [filterHeight, filterWidth] = filterShape as Sizes;
  const same = (before: number, after: number, size: number, filter: number): boolean => {
    const total = Math.max(0, (Math.ceil(size / stride) - 1) * stride + filter - size);
    return before === Math.floor(total / 2) && after === total - before;
  };
  return same(top, bottom, height!, filterHeight!) && same(left, right, width!, filterWidth!)
    ? 'SAME'
    : 'EXPLICIT';
}

function pad(x: tf.Tensor4D, { top, bottom, left, right }: Padding): tf.Tensor {
  const sides: [number, number][] = [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ];
  return tf.engine().runKernel(tf.PadV2, { x }, { paddings: sides, constantValue: 0 });
}
