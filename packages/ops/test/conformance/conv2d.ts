import { expectNoLeak } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { conv2d, type Padding } from '../../src/index.js';
import {
  type Array64,
  array64,
  expectClose,
  expectConforms,
  finiteDifferences,
  normal,
  toTensor,
} from './reference.js';

interface Case {
  /** N, H, W, I, O */
  image: [number, number, number, number, number];
  kernel: [number, number];
  stride: number;
  padding: Padding;
}

const sides = (top: number, bottom = top, left = top, right = top): Padding => ({ top, bottom, left, right });

const cases: [string, Case][] = [
  ['a 3 × 3 kernel on odd sizes', { image: [2, 7, 5, 3, 5], kernel: [3, 3], stride: 1, padding: sides(1) }],
  [
    'batch 1, one channel in, one out',
    { image: [1, 6, 9, 1, 1], kernel: [3, 3], stride: 1, padding: sides(1) },
  ],
  [
    'many channels on several tiles',
    { image: [3, 13, 10, 16, 12], kernel: [3, 3], stride: 1, padding: sides(1) },
  ],
  [
    'many channels on a tiny image',
    { image: [2, 2, 3, 24, 20], kernel: [3, 3], stride: 1, padding: sides(1) },
  ],
  ['no padding', { image: [2, 8, 8, 8, 8], kernel: [3, 3], stride: 1, padding: sides(0) }],
  ['asymmetric padding', { image: [2, 6, 7, 4, 5], kernel: [3, 3], stride: 1, padding: sides(0, 2, 3, 1) }],
  [
    'padding beyond the kernel',
    { image: [1, 4, 3, 2, 4], kernel: [3, 3], stride: 1, padding: sides(4, 3, 5, 3) },
  ],
  ['stride 2 on an even size', { image: [2, 8, 6, 4, 8], kernel: [3, 3], stride: 2, padding: sides(1) }],
  ['stride 2 on an odd size', { image: [2, 7, 9, 5, 3], kernel: [3, 3], stride: 2, padding: sides(1) }],
  [
    'stride 2 padded below and right',
    { image: [2, 6, 8, 4, 4], kernel: [3, 3], stride: 2, padding: sides(0, 1, 0, 1) },
  ],
  ['a 1 × 1 kernel', { image: [2, 5, 4, 7, 6], kernel: [1, 1], stride: 1, padding: sides(0) }],
  ['a 1 × 1 kernel of stride 2', { image: [2, 6, 5, 4, 3], kernel: [1, 1], stride: 2, padding: sides(0) }],
  [
    'a stride beyond the kernel',
    { image: [1, 8, 9, 2, 3], kernel: [2, 2], stride: 3, padding: sides(0, 1, 0, 0) },
  ],
  [
    'a kernel on padding alone',
    { image: [1, 1, 1, 2, 3], kernel: [1, 1], stride: 3, padding: sides(2, 0, 0, 0) },
  ],
  ['a 5 × 5 kernel', { image: [2, 8, 7, 3, 4], kernel: [5, 5], stride: 1, padding: sides(2) }],
  ['an even kernel', { image: [2, 5, 6, 3, 2], kernel: [4, 2], stride: 1, padding: sides(1, 2, 0, 1) }],
  ['a row as kernel', { image: [2, 4, 7, 2, 3], kernel: [1, 3], stride: 1, padding: sides(0, 0, 1, 1) }],
];

const anyCase = fc
  .record({
    image: fc.tuple(
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 9 }),
    ),
    kernel: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
    stride: fc.integer({ min: 1, max: 3 }),
    padding: fc.record({
      top: fc.integer({ min: 0, max: 3 }),
      bottom: fc.integer({ min: 0, max: 3 }),
      left: fc.integer({ min: 0, max: 3 }),
      right: fc.integer({ min: 0, max: 3 }),
    }),
  })
  .filter(
    ({ image: [, height, width], kernel, padding: { top, bottom, left, right } }) =>
      height + top + bottom >= kernel[0] && width + left + right >= kernel[1],
  );

/** Declares the tests of `conv2d` on the active backend. */
export function conv2dConforms(): void {
  describe('conv2d and its gradients equal their definition', () => {
    it.each(cases)('with %s', (_name, shapes) => expectCase(shapes));

    it('for any shape, stride and padding', () => {
      fc.assert(fc.property(anyCase, expectCase), { numRuns: 30 });
    });

    it('which differentiates as finite differences do', () => {
      const [x, weight, bias, move] = inputsOf(cases[5]![1]);
      const convolution = (...inputs: Array64[]): Array64 =>
        convolve(inputs[0]!, inputs[1]!, inputs[2]!, move).y;
      const { y, gradients } = convolve(x, weight, bias, move);
      const dy = normal(5, y.shape);
      const numeric = finiteDifferences(convolution, [x, weight, bias], dy);
      gradients(dy).forEach((gradient, i) => {
        expectClose(gradient.values, numeric[i]!);
      });
    });
  });

  describe('conv2d', () => {
    it('does without a bias', () => {
      const [x, weight, bias, move] = inputsOf(cases[2]![1]);
      const { y, gradients } = convolve(x, weight, array64(bias.shape), move);
      expectConforms(
        (tx, tw) => conv2d(tx as tf.Tensor4D, tw as tf.Tensor4D, undefined, move),
        { y, gradients: (dy) => gradients(dy).slice(0, 2) },
        [x, weight],
      );
    });

    it('adds a residual, whose gradient is that of the result', () => {
      fc.assert(
        fc.property(anyCase, (shapes) => {
          const [x, weight, bias, move] = inputsOf(shapes);
          const { y, gradients } = convolve(x, weight, bias, move);
          const residual = normal(4, y.shape);
          expectConforms(
            (tx, tw, tb, tr) =>
              conv2d(tx as tf.Tensor4D, tw as tf.Tensor4D, tb as tf.Tensor1D, {
                ...move,
                residual: tr as tf.Tensor4D,
              }),
            { y: plus(y, residual), gradients: (dy) => [...gradients(dy), dy] },
            [x, weight, bias, residual],
          );
        }),
        { numRuns: 30 },
      );
    });

    it('may add what it convolves, without taking its gradient for itself', () => {
      const [x, weight, bias, move] = inputsOf({
        image: [2, 6, 7, 5, 5],
        kernel: [3, 3],
        stride: 1,
        padding: sides(1),
      });
      const { y, gradients } = convolve(x, weight, bias, move);
      expectConforms(
        (tx, tw, tb) =>
          conv2d(tx as tf.Tensor4D, tw as tf.Tensor4D, tb as tf.Tensor1D, {
            ...move,
            residual: tx as tf.Tensor4D,
          }),
        {
          y: plus(y, x),
          gradients: (dy) => {
            const [dx, ...rest] = gradients(dy);
            return [plus(dx!, dy), ...rest];
          },
        },
        [x, weight, bias],
      );
    });

    it('passes an infinity of the residual on to its own number alone', () => {
      tf.tidy(() => {
        const residual = tf.buffer([1, 6, 6, 4]);
        residual.set(Number.POSITIVE_INFINITY, 0, 2, 3, 1);
        const y = conv2d(tf.ones([1, 6, 6, 4]), tf.ones([3, 3, 4, 4]), undefined, {
          padding: 1,
          residual: residual.toTensor() as tf.Tensor4D,
        });
        const infinite = [...y.dataSync()].map((value, i) => (Number.isFinite(value) ? -1 : i));
        expect(infinite.filter((i) => i >= 0)).toEqual([(2 * 6 + 3) * 4 + 1]);
        expect(y.arraySync()[0]![2]![3]![1]).toBe(Number.POSITIVE_INFINITY);
      });
    });

    it('takes one number as the padding of every side', () => {
      const [x, weight, bias, move] = inputsOf(cases[0]![1]);
      const y = tf.tidy(() =>
        conv2d(toTensor(x), toTensor(weight), toTensor(bias), { padding: 1 }).dataSync(),
      );
      expectClose(y, convolve(x, weight, bias, move).y);
    });

    it('passes NaN and infinity on to the pixels that see them, and to no other example', () => {
      tf.tidy(() => {
        const x = tf.buffer([2, 6, 6, 4]);
        x.set(Number.NaN, 0, 1, 1, 2);
        x.set(Number.POSITIVE_INFINITY, 0, 4, 4, 0);
        const y = conv2d(x.toTensor() as tf.Tensor4D, tf.ones([3, 3, 4, 4]), undefined, {
          padding: 1,
        }).arraySync();
        expect(y[0]![1]![1]![3]).toBeNaN();
        expect(Number.isFinite(y[0]![5]![5]![0])).toBe(false);
        expect(y[1]!.flat(2).every((value) => value === 0)).toBe(true);
      });
    });

    it('sees a weight that was replaced', () => {
      tf.tidy(() => {
        const x = tf.ones([1, 4, 4, 2]) as tf.Tensor4D;
        for (const factor of [1, 2, 3]) {
          const y = conv2d(x, tf.fill([3, 3, 2, 4], factor) as tf.Tensor4D, undefined).dataSync();
          expect([...y]).toEqual(Array(16).fill(18 * factor));
        }
      });
    });

    it('leaves no tensor behind, forward or backward', async () => {
      const [x, weight, bias, move] = inputsOf(cases[8]![1]);
      const tensors = [x, weight, bias].map((t) => toTensor(t)) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor1D];
      await expectNoLeak(() => conv2d(...tensors, move));
      await expectNoLeak(() =>
        tf.grads((a: tf.Tensor, b: tf.Tensor, c: tf.Tensor) =>
          conv2d(a as tf.Tensor4D, b as tf.Tensor4D, c as tf.Tensor1D, move),
        )(tensors),
      );
      tf.dispose(tensors);
    });
  });
}

function expectCase(shapes: Case): void {
  const [x, weight, bias, move] = inputsOf(shapes);
  expectConforms(
    (tx, tw, tb) => conv2d(tx as tf.Tensor4D, tw as tf.Tensor4D, tb as tf.Tensor1D, move),
    convolve(x, weight, bias, move),
    [x, weight, bias],
  );
}

function inputsOf({
  image,
  kernel,
  stride,
  padding,
}: Case): [Array64, Array64, Array64, Pick<Case, 'stride' | 'padding'>] {
  const [batch, height, width, inputs, outputs] = image;
  return [
    normal(1, [batch, height, width, inputs]),
    normal(2, [...kernel, inputs, outputs]),
    normal(3, [outputs]),
    { stride, padding },
  ];
}

function plus(a: Array64, b: Array64): Array64 {
  return array64(
    a.shape,
    a.values.map((value, i) => value + b.values[i]!),
  );
}

/** The definition, one product at a time; each product y += x w also says dx += dy w and dw += dy x. */
function convolve(
  x: Array64,
  weight: Array64,
  bias: Array64,
  { stride, padding }: Pick<Case, 'stride' | 'padding'>,
): { y: Array64; gradients(dy: Array64): Array64[] } {
  const [batch, height, width, inputs] = x.shape as [number, number, number, number];
  const [kernelHeight, kernelWidth, , outputs] = weight.shape as [number, number, number, number];
  const outHeight = Math.floor((height + padding.top + padding.bottom - kernelHeight) / stride) + 1;
  const outWidth = Math.floor((width + padding.left + padding.right - kernelWidth) / stride) + 1;
  const forEachProduct = (visit: (iy: number, ix: number, iw: number) => void): void => {
    for (let n = 0; n < batch; n++)
      for (let i = 0; i < outHeight; i++)
        for (let j = 0; j < outWidth; j++)
          for (let a = 0; a < kernelHeight; a++)
            for (let b = 0; b < kernelWidth; b++) {
              const row = i * stride + a - padding.top;
              const column = j * stride + b - padding.left;
              if (row < 0 || row >= height || column < 0 || column >= width) continue;
              for (let c = 0; c < inputs; c++)
                for (let o = 0; o < outputs; o++)
                  visit(
                    ((n * outHeight + i) * outWidth + j) * outputs + o,
                    ((n * height + row) * width + column) * inputs + c,
                    ((a * kernelWidth + b) * inputs + c) * outputs + o,
                  );
            }
  };
  const y = array64([batch, outHeight, outWidth, outputs]);
  y.values.forEach((_, i) => {
    y.values[i] = bias.values[i % outputs]!;
  });
  forEachProduct((iy, ix, iw) => {
    y.values[iy]! += x.values[ix]! * weight.values[iw]!;
  });
  return {
    y,
    gradients: (dy) => {
      const dx = array64(x.shape);
      const dweight = array64(weight.shape);
      const dbias = array64(bias.shape);
      forEachProduct((iy, ix, iw) => {
        dx.values[ix]! += dy.values[iy]! * weight.values[iw]!;
        dweight.values[iw]! += dy.values[iy]! * x.values[ix]!;
      });
      dy.values.forEach((value, i) => {
        dbias.values[i % outputs]! += value;
      });
      return [dx, dweight, dbias];
    },
  };
}
