import { useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  adamWStep,
  conv2d,
  groupNorm,
  linear,
  scaledDotProductAttention,
  upsampleNearest,
} from '../src/index.js';

beforeAll(() => useBackend('cpu'));

const zeros = <T extends tf.Tensor>(...shape: number[]): T => tf.zeros(shape) as T;
const image = (): tf.Tensor4D => zeros(2, 4, 4, 3);
const kernel = (): tf.Tensor4D => zeros(3, 3, 3, 5);
const options = { groups: 2, epsilon: 1e-5 };

describe.each<[string, () => unknown, string]>([
  [
    'conv2d an image without a batch',
    () => conv2d(zeros(4, 4, 3), kernel(), undefined),
    'x must be [N, H, W, C], not [4,4,3]',
  ],
  [
    'conv2d a weight for other channels',
    () => conv2d(image(), zeros(3, 3, 4, 5), undefined),
    'weight must be [KH, KW, 3, O] for x [2,4,4,3], not [3,3,4,5]',
  ],
  [
    'conv2d a bias of another size',
    () => conv2d(image(), kernel(), zeros(3)),
    'bias must be [5] for weight [3,3,3,5], not [3]',
  ],
  [
    'conv2d a stride of 0',
    () => conv2d(image(), kernel(), undefined, { stride: 0 }),
    'stride must be a positive whole number, not 0',
  ],
  [
    'conv2d a padding of half a pixel',
    () => conv2d(image(), kernel(), undefined, { padding: { top: 0.5, bottom: 0, left: 0, right: 0 } }),
    'padding must be whole numbers from 0 on, not 0.5 (top)',
  ],
  [
    'conv2d a kernel larger than the image',
    () => conv2d(zeros(1, 2, 4, 3), kernel(), undefined),
    'weight [3,3,3,5] is larger than the padded image, 2 × 4 pixels',
  ],
  [
    'conv2d a residual of another shape',
    () => conv2d(image(), kernel(), undefined, { stride: 2, residual: zeros(2, 2, 2, 5) }),
    'residual must be [2,1,1,5], as the result is, not [2,2,2,5]',
  ],
  ['linear a scalar', () => linear(tf.scalar(1), zeros(1, 1)), 'x must be […, in], not a scalar'],
  [
    'linear a weight for other inputs',
    () => linear(zeros(2, 3), zeros(4, 5)),
    'weight must be [3, out] for x [2,3], not [4,5]',
  ],
  [
    'linear a bias of another size',
    () => linear(zeros(2, 3), zeros(3, 5), zeros(3)),
    'bias must be [5] for weight [3,5], not [3]',
  ],
  [
    'groupNorm a vector',
    () => groupNorm(zeros(4), zeros(4), zeros(4), options),
    'x must be [N, …, C], not [4]',
  ],
  [
    'groupNorm groups that do not divide the channels',
    () => groupNorm(image(), zeros(3), zeros(3), options),
    'groups must divide the 3 channels, 2 does not',
  ],
  [
    'groupNorm a scale of another size',
    () => groupNorm(zeros(2, 4), zeros(2), zeros(4), options),
    'scale must be [4] for x [2,4], not [2]',
  ],
  [
    'groupNorm a modulation of another batch',
    () =>
      groupNorm(zeros(2, 4), zeros(4), zeros(4), {
        ...options,
        modulation: { scale: zeros(2, 4), shift: zeros(1, 4) },
      }),
    'modulation.shift must be [2, 4] for x [2,4], not [1,4]',
  ],
  [
    'attention queries without heads',
    () => scaledDotProductAttention(zeros(2, 3, 4), zeros(1, 2, 3, 4), zeros(1, 2, 3, 4)),
    'q must be [batch, heads, length, headDim], not [2,3,4]',
  ],
  [
    'attention keys of another size',
    () => scaledDotProductAttention(zeros(1, 2, 3, 4), zeros(1, 2, 3, 5), zeros(1, 2, 3, 4)),
    'k must be [1, 2, length, 4] for q [1,2,3,4], not [1,2,3,5]',
  ],
  [
    'attention values of another length',
    () => scaledDotProductAttention(zeros(1, 2, 3, 4), zeros(1, 2, 3, 4), zeros(1, 2, 5, 4)),
    'v must have the shape of k, [1,2,3,4], not [1,2,5,4]',
  ],
  ['upsampleNearest tokens', () => upsampleNearest(zeros(2, 3, 4)), 'x must be [N, H, W, C], not [2,3,4]'],
  [
    'upsampleNearest half a factor',
    () => upsampleNearest(image(), 1.5),
    'factor must be a positive whole number, not 1.5',
  ],
])('%s', (_name, call, message) => {
  it('is refused with one sentence', () => {
    tf.tidy(() => {
      expect(call).toThrow(new RangeError(message));
    });
  });
});

describe('adamWStep refuses', () => {
  const step = (change: object): (() => unknown) => {
    const params = { weight: tf.zeros([2, 3]) };
    return () =>
      adamWStep({
        params,
        grads: params,
        m: params,
        v: params,
        step: 1,
        learningRate: 1e-3,
        betas: [0.9, 0.999],
        epsilon: 1e-8,
        weightDecay: 0,
        ...change,
      });
  };

  it.each<[string, () => object, string]>([
    ['a step before the first', () => ({ step: 0 }), 'step must be a whole number from 1 on, not 0'],
    [
      'a learning rate below 0',
      () => ({ learningRate: -1e-3 }),
      'learningRate must be a finite number from 0 up, not -0.001',
    ],
    [
      'an infinite learning rate',
      () => ({ learningRate: Infinity }),
      'learningRate must be a finite number from 0 up, not Infinity',
    ],
    ['a first beta below 0', () => ({ betas: [-0.1, 0.999] }), 'betas[0] must be in [0, 1), not -0.1'],
    ['a second beta of 1', () => ({ betas: [0, 1] }), 'betas[1] must be in [0, 1), not 1'],
    ['a beta that is NaN', () => ({ betas: [0.9, Number.NaN] }), 'betas[1] must be in [0, 1), not NaN'],
    ['an epsilon of 0', () => ({ epsilon: 0 }), 'epsilon must be a positive finite number of float32, not 0'],
    [
      'an infinite epsilon',
      () => ({ epsilon: Infinity }),
      'epsilon must be a positive finite number of float32, not Infinity',
    ],
    [
      'a weight decay below 0',
      () => ({ weightDecay: -1 }),
      'weightDecay must be a finite number from 0 up, not -1',
    ],
    [
      'a weight decay that is NaN',
      () => ({ weightDecay: Number.NaN }),
      'weightDecay must be a finite number from 0 up, not NaN',
    ],
    ['a greatest norm of 0', () => ({ maxGradNorm: 0 }), 'maxGradNorm must be positive, not 0'],
    [
      'a greatest norm that is NaN',
      () => ({ maxGradNorm: Number.NaN }),
      'maxGradNorm must be positive, not NaN',
    ],
    [
      'an average that decays below 0',
      () => ({ ema: { params: { weight: tf.zeros([2, 3]) }, decay: -0.1 } }),
      'ema.decay must be in [0, 1], not -0.1',
    ],
    [
      'an average that grows',
      () => ({ ema: { params: { weight: tf.zeros([2, 3]) }, decay: 1.1 } }),
      'ema.decay must be in [0, 1], not 1.1',
    ],
    ['nothing to do', () => ({ params: {} }), 'params must hold at least one tensor, it is empty'],
    ['a missing gradient', () => ({ grads: {} }), 'grads: "weight" is missing'],
    [
      'a stray gradient',
      () => ({ grads: { weight: tf.zeros([2, 3]), bias: tf.zeros([3]) } }),
      'grads: "bias" is not among the params',
    ],
    [
      'a moment of another shape',
      () => ({ m: { weight: tf.zeros([3, 2]) } }),
      'm: "weight" must be [2,3], not [3,2]',
    ],
    [
      'an average of another shape',
      () => ({ ema: { params: { weight: tf.zeros([6]) }, decay: 0.9 } }),
      'ema: "weight" must be [2,3], not [6]',
    ],
  ])('%s', (_name, change, message) => {
    tf.tidy(() => {
      expect(step(change())).toThrow(new RangeError(message));
    });
  });
});
