import { expectAllClose, expectNoLeak } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { useWasm } from '../src/index.js';
import { expectSameOnBoth, normal, withGradients } from './both.js';

const runs = { numRuns: 25 };
const size = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max });
const image = fc.integer({ min: 5, max: 11 });
const channels = fc.oneof(fc.constantFrom(1, 3, 4, 8), size(13));
const padding = fc.constantFrom('same' as const, 'valid' as const);

it('conv2d is that of the cpu backend for any stride and padding, and so are its gradients', () =>
  fc.assert(
    fc.asyncProperty(
      size(2),
      image,
      image,
      channels,
      channels,
      size(4),
      size(4),
      size(3),
      padding,
      (n, h, w, ci, co, kh, kw, stride, pad) =>
        expectSameOnBoth(() =>
          withGradients(
            (x, filter) => tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, stride, pad),
            [normal(1, [n, h, w, ci]), normal(2, [kh, kw, ci, co])],
          ),
        ),
    ),
    runs,
  ));

it('conv2d is that of the cpu backend with dilations and with strides that differ', () =>
  fc.assert(
    fc.asyncProperty(image, channels, size(3), size(2), size(2), padding, (h, ci, kernel, a, b, pad) =>
      expectSameOnBoth(() => {
        const x = normal(1, [2, h, h + 1, ci]) as tf.Tensor4D;
        const filter = normal(2, [kernel, kernel, ci, 5]) as tf.Tensor4D;
        return [tf.conv2d(x, filter, [a, b], pad), tf.conv2d(x, filter, 1, 'same', 'NHWC', [a, b])];
      }),
    ),
    runs,
  ));

it('fused.conv2d is that of the cpu backend with a bias and every activation', () =>
  fc.assert(
    fc.asyncProperty(
      image,
      channels,
      channels,
      size(3),
      fc.constantFrom('linear', 'relu', 'relu6', 'sigmoid', 'elu'),
      (h, ci, co, kernel, activation) =>
        expectSameOnBoth(() => [
          tf.fused.conv2d({
            x: normal(1, [2, h, h, ci]) as tf.Tensor4D,
            filter: normal(2, [kernel, kernel, ci, co]) as tf.Tensor4D,
            bias: normal(3, [co]),
            strides: 1,
            pad: 'same',
            activation: activation as 'relu',
          }),
        ]),
    ),
    runs,
  ));

it('depthwiseConv2d has the gradients of the cpu backend', () =>
  fc.assert(
    fc.asyncProperty(
      size(2),
      image,
      image,
      channels,
      size(3),
      size(3),
      size(2),
      padding,
      (n, h, w, c, multiplier, kernel, stride, pad) =>
        expectSameOnBoth(() =>
          withGradients(
            (x, filter) => tf.depthwiseConv2d(x as tf.Tensor4D, filter as tf.Tensor4D, stride, pad),
            [normal(1, [n, h, w, c]), normal(2, [kernel, kernel, c, multiplier])],
          ),
        ),
    ),
    runs,
  ));

it('matMul is that of the cpu backend in all transpositions, batched, or with one factor for all, and so are its gradients', () =>
  fc.assert(
    fc.asyncProperty(
      size(3),
      size(40),
      size(40),
      size(300),
      fc.boolean(),
      fc.boolean(),
      fc.constantFrom('both', 'a', 'b', 'none'),
      (batch, m, n, k, transposeA, transposeB, batched) =>
        expectSameOnBoth(() => {
          const a = transposeA ? [k, m] : [m, k];
          const b = transposeB ? [n, k] : [k, n];
          if (batched === 'both' || batched === 'a') a.unshift(batch);
          if (batched === 'both' || batched === 'b') b.unshift(batch);
          const inputs = [normal(1, a), normal(2, b)];
          const f = (a: tf.Tensor, b: tf.Tensor): tf.Tensor => tf.matMul(a, b, transposeA, transposeB);
          // tfjs has no gradient for a factor that is used again and again.
          return a.length === b.length ? withGradients(f, inputs) : [f(inputs[0]!, inputs[1]!)];
        }),
    ),
    runs,
  ));

it('fused.matMul is that of the cpu backend with a bias and every activation', () =>
  fc.assert(
    fc.asyncProperty(
      size(9),
      size(9),
      size(9),
      fc.constantFrom('linear', 'relu', 'relu6', 'sigmoid', 'elu'),
      fc.boolean(),
      (m, n, k, activation, withBias) =>
        expectSameOnBoth(() => [
          tf.fused.matMul({
            a: normal(1, [m, k]),
            b: normal(2, [k, n]),
            ...(withBias && { bias: normal(3, [n]) }),
            activation: activation as 'relu',
          }),
        ]),
    ),
    runs,
  ));

it('gather has the gradient of the cpu backend, where an index comes twice and where one never comes', () =>
  expectSameOnBoth(() => withGradients((x) => tf.gather(x, [2, 0, 2, 4]), [normal(1, [5, 3])])));

it('a transposition of the two axes in the middle is that of the cpu backend, and so is its gradient', () =>
  fc.assert(
    fc.asyncProperty(fc.tuple(size(3), size(5), size(5), size(9)), (shape) =>
      expectSameOnBoth(() =>
        withGradients((x) => tf.square(tf.transpose(x, [0, 2, 1, 3])), [normal(1, shape)]),
      ),
    ),
  ));

it('concat, slice and split are those of the cpu backend along every axis, and so are their gradients', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(size(5), { minLength: 1, maxLength: 4 }),
      fc.nat({ max: 3 }),
      size(6),
      size(6),
      (shape, along, first, second) =>
        expectSameOnBoth(() => {
          const axis = along % shape.length;
          const a = normal(1, shape.with(axis, first));
          const b = normal(2, shape.with(axis, second));
          const joined = withGradients((a, b) => tf.square(tf.concat([a, b], axis)), [a, b]);
          const begin = shape.map((_, i) => (i === axis ? first : 0));
          const cut = withGradients(
            (x) => tf.slice(x, begin, shape.with(axis, second)),
            [tf.concat([a, b], axis)],
          );
          const split = withGradients(
            (x) => tf.sub(...(tf.split(tf.concat([x, x], axis), 2, axis) as [tf.Tensor, tf.Tensor])),
            [a],
          );
          return [
            ...joined,
            ...cut,
            ...split,
            tf.slice(
              a,
              shape.map(() => 0),
              shape.map(() => 1),
            ),
          ];
        }),
    ),
    runs,
  ));

it('sum and add are those of the cpu backend over any axes and broadcast shapes, and so are their gradients', () =>
  fc.assert(
    fc.asyncProperty(
      size(3),
      size(4),
      size(4),
      channels,
      fc.subarray([0, 1, 2, 3], { minLength: 1 }),
      (n, h, w, c, axes) =>
        expectSameOnBoth(() => {
          const x = normal(1, [n, h, w, c]);
          const sums = [true, false].flatMap((keepDims) =>
            withGradients((x) => tf.square(tf.sum(x, axes, keepDims)), [x]),
          );
          const row = normal(
            2,
            [n, h, w, c].map((length, axis) => (axes.includes(axis) ? 1 : length)),
          );
          return [...sums, ...withGradients((x, row) => tf.add(x, row), [x, row]), tf.add(row, x)];
        }),
    ),
    runs,
  ));

describe('softmax', () => {
  const row = fc.array(size(5), { maxLength: 2 });

  it('has the gradient of the cpu backend, and so has its gradient', () =>
    fc.assert(
      fc.asyncProperty(row, fc.oneof(size(9), size(70)), (outer, columns) =>
        expectSameOnBoth(() => {
          const x = tf.mul(normal(1, [...outer, columns]), 3);
          const slope = (x: tf.Tensor): tf.Tensor => tf.grad((x) => tf.square(tf.softmax(x)))(x);
          return [...withGradients((x) => tf.softmax(x!), [x]), ...withGradients((x) => slope(x!), [x])];
        }),
      ),
      runs,
    ));

  it.each(['cpu', 'wasm'])('has on %s the gradient of finite differences in float64', async (backend) => {
    await useWasm();
    await tf.setBackend(backend);
    const x = [0.3, -1.7, 2.1, 0, 0.9];
    const dy = [1, -2, 0.5, 3, -0.25];
    const value = (logits: number[]): number => {
      const exponentials = logits.map(Math.exp);
      const sum = exponentials.reduce((a, b) => a + b);
      return exponentials.reduce((total, e, i) => total + (e / sum) * dy[i]!, 0);
    };
    const h = 1e-5;
    const differences = x.map((at, i) => (value(x.with(i, at + h)) - value(x.with(i, at - h))) / (2 * h));
    tf.tidy(() => {
      const gradient = tf.grad((x) => tf.softmax(x as tf.Tensor1D))(tf.tensor1d(x), tf.tensor1d(dy));
      expectAllClose(gradient, differences, { relative: 1e-6, absolute: 1e-7 });
    });
  });

  it('takes one kernel for its gradient, which keeps a NaN in its row', async () => {
    await useWasm();
    const x = tf.tensor2d([1, Number.NaN, 3, 4, 5, 6], [2, 3]);
    const y = tf.softmax(x);
    const gradient = tf.grad((x) => tf.softmax(x));
    const { kernels, result } = await tf.profile(() => gradient(x, y));
    expect(kernels.map(({ name }) => name).filter((name) => /Sum|Mul|Sub|Softmax/.test(name))).toEqual([
      'Softmax',
      'DiffusionSoftmaxGrad',
    ]);
    expect([...(result as tf.Tensor).dataSync()].map(Number.isNaN)).toEqual([
      true,
      true,
      true,
      false,
      false,
      false,
    ]);
    tf.dispose([x, y, result as tf.Tensor]);
  });

  it('leaves no tensor behind', async () => {
    await useWasm();
    const x = normal(1, [3, 7]);
    await expectNoLeak(() => tf.grad((x) => tf.softmax(x))(x));
    x.dispose();
  });
});

it('leaves integers to tfjs, and says what it takes where tfjs has nothing', async () => {
  await useWasm();
  tf.tidy(() => {
    expect([...tf.concat([tf.tensor1d([1, 2], 'int32'), tf.tensor1d([3], 'int32')]).dataSync()]).toEqual([
      1, 2, 3,
    ]);
    expect(() =>
      tf.unsortedSegmentSum(tf.tensor1d([1, 2], 'int32'), tf.tensor1d([0, 0], 'int32'), 1),
    ).toThrow(/UnsortedSegmentSum: x must be float32, not int32/);
  });
});

type Four = tf.Tensor4D;
it.each<[string, number[][], (a: tf.Tensor, b: tf.Tensor) => tf.Tensor]>([
  [
    'conv2d 3×3',
    [
      [2, 9, 7, 8],
      [3, 3, 8, 16],
    ],
    (x, w) => tf.conv2d(x as Four, w as Four, 1, 'same'),
  ],
  [
    'conv2d 3×3 with stride 2',
    [
      [2, 9, 8, 5],
      [3, 3, 5, 6],
    ],
    (x, w) => tf.conv2d(x as Four, w as Four, 2, 'same'),
  ],
  [
    'conv2d 1×1',
    [
      [2, 5, 6, 7],
      [1, 1, 7, 9],
    ],
    (x, w) => tf.conv2d(x as Four, w as Four, 1, 'valid'),
  ],
  [
    'depthwiseConv2d',
    [
      [2, 7, 6, 5],
      [3, 3, 5, 2],
    ],
    (x, w) => tf.depthwiseConv2d(x as Four, w as Four, 1, 'same'),
  ],
  [
    'matMul',
    [
      [3, 5, 7],
      [3, 7, 6],
    ],
    (a, b) => tf.matMul(a, b),
  ],
  [
    'matMul of transposes',
    [
      [3, 7, 5],
      [3, 6, 7],
    ],
    (a, b) => tf.matMul(a, b, true, true),
  ],
  [
    'gather',
    [
      [6, 4],
      [5, 4],
    ],
    (a, b) => tf.mul(tf.gather(a, tf.tensor1d([4, 0, 4, 2, 5], 'int32')), b),
  ],
])('the gradients of %s are its finite differences', async (_, shapes, f) => {
  await useWasm();
  const xs = shapes.map((shape, i) => normal(i, shape)) as [tf.Tensor, tf.Tensor];
  const [y, ...gradients] = withGradients(f as (...xs: tf.Tensor[]) => tf.Tensor, xs);
  const direction = normal(99, y!.shape).dataSync();
  const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
    Array.from(a).reduce((sum, value, i) => sum + value * b[i]!, 0);
  xs.forEach((x, i) => {
    const v = normal(50 + i, x.shape);
    // f is linear in each of its arguments, so that a difference of any length is exact.
    const at = (moved: tf.Tensor): number =>
      dot((i === 0 ? f(moved, xs[1]) : f(xs[0], moved)).dataSync(), direction);
    const difference = (at(tf.add(x, v)) - at(tf.sub(x, v))) / 2;
    const size = Math.sqrt(dot(direction, direction) * dot(v.dataSync(), v.dataSync()));
    expect(Math.abs(dot(gradients[i]!.dataSync(), v.dataSync()) - difference) / size).toBeLessThan(1e-5);
  });
});
