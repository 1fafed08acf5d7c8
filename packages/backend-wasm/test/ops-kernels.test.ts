import {
  adamWStep,
  conv2d,
  groupNorm,
  linear,
  scaledDotProductAttention,
  silu,
  upsampleNearest,
} from '@diffusion-ts/ops';
import { expectAllClose, expectNoLeak } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { useWasm } from '../src/index.js';
import { expectSameOnBoth, normal, onBoth, withGradients } from './both.js';

const runs = { numRuns: 25 };
const size = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max });
const channels = fc.oneof(fc.constantFrom(1, 3, 4, 8), size(21));

describe('convolution', () => {
  const check = (spec: {
    batch: number;
    height: number;
    width: number;
    ci: number;
    co: number;
    kernel: number;
    stride: number;
    padding: { top: number; bottom: number; left: number; right: number };
    bias: boolean;
    residual: boolean;
  }): Promise<void> => {
    const { batch, height, width, ci, co, kernel, stride, padding } = spec;
    const { top, bottom, left, right } = padding;
    const steps = (size: number): number => Math.floor((size - kernel) / stride) + 1;
    const shape = [batch, steps(height + top + bottom), steps(width + left + right), co];
    return expectSameOnBoth(() => {
      const inputs = {
        x: normal(1, [batch, height, width, ci]) as tf.Tensor4D,
        weight: normal(2, [kernel, kernel, ci, co]) as tf.Tensor4D,
        ...(spec.bias && { bias: normal(3, [co]) as tf.Tensor1D }),
        ...(spec.residual && { residual: normal(4, shape) as tf.Tensor4D }),
      };
      return withGradients((...tensors) => {
        const of = Object.fromEntries(Object.keys(inputs).map((name, i) => [name, tensors[i]!]));
        const { x, weight, bias, ...residual } = of as unknown as typeof inputs;
        return conv2d(x, weight, bias, { stride, padding, ...residual });
      }, Object.values(inputs));
    }, 2e-5);
  };
  const side = fc.integer({ min: 0, max: 2 });
  const padding = fc.record({ top: side, bottom: side, left: side, right: side });

  it('is that of the cpu backend for 3×3 filters, whatever the shape, and so are its gradients', () =>
    fc.assert(
      fc.asyncProperty(
        fc.record({
          batch: size(3),
          height: fc.integer({ min: 3, max: 11 }),
          width: fc.integer({ min: 3, max: 11 }),
          ci: channels,
          co: channels,
          kernel: fc.constant(3),
          stride: fc.constant(1),
          padding,
          bias: fc.boolean(),
          residual: fc.boolean(),
        }),
        check,
      ),
      runs,
    ));

  it('is that of the cpu backend for any filter, stride and padding, and so are its gradients', () =>
    fc.assert(
      fc.asyncProperty(
        fc.record({
          batch: size(3),
          height: fc.integer({ min: 5, max: 11 }),
          width: fc.integer({ min: 5, max: 11 }),
          ci: channels,
          co: channels,
          kernel: fc.integer({ min: 1, max: 5 }),
          stride: size(3),
          padding,
          bias: fc.boolean(),
          residual: fc.boolean(),
        }),
        check,
      ),
      runs,
    ));

  it('is that of the cpu backend where many blocks and panels are needed', () =>
    check({
      batch: 2,
      height: 13,
      width: 15,
      ci: 70,
      co: 21,
      kernel: 3,
      stride: 1,
      padding: { top: 1, bottom: 1, left: 1, right: 1 },
      bias: true,
      residual: true,
    }));

  it('lets NaN and infinity through as the sum of products does, and spreads them no further', async () => {
    const { cpu, wasm } = await onBoth(() => {
      const x = normal(1, [1, 9, 9, 4]).bufferSync();
      x.set(Number.POSITIVE_INFINITY, 0, 2, 2, 1);
      x.set(Number.NaN, 0, 7, 7, 3);
      const dy = normal(2, [1, 9, 9, 5]).bufferSync();
      dy.set(Number.NEGATIVE_INFINITY, 0, 4, 4, 0);
      const f = (x: tf.Tensor, w: tf.Tensor): tf.Tensor =>
        conv2d(x as tf.Tensor4D, w as tf.Tensor4D, undefined, { padding: 1 });
      const w = normal(3, [3, 3, 4, 5]);
      const clean = normal(4, [1, 9, 9, 4]);
      return [f(x.toTensor(), w), ...tf.grads(f)([clean, w], dy.toTensor())];
    });
    expect(cpu[0]!.some(Number.isNaN)).toBe(true);
    cpu.forEach((expected, i) => {
      expectAllClose(wasm[i]!, expected, { relative: 1e-4, absolute: 1e-4 });
    });
  });

  it('of F(4×4, 3×3) has a relative error of a few 1e-7 per product, against float64', async () => {
    const [h, ci, co] = [12, 64, 16];
    await useWasm();
    const x = normal(1, [1, h, h, ci]);
    const w = normal(2, [3, 3, ci, co]);
    const y = conv2d(x as tf.Tensor4D, w as tf.Tensor4D, undefined, {});
    const [xs, ws, ys] = [x.dataSync(), w.dataSync(), y.dataSync()];
    let error = 0;
    let norm = 0;
    for (let i = 0; i < h - 2; i++) {
      for (let j = 0; j < h - 2; j++) {
        for (let o = 0; o < co; o++) {
          let sum = 0;
          for (let a = 0; a < 3; a++) {
            for (let b = 0; b < 3; b++) {
              for (let c = 0; c < ci; c++) {
                sum += xs[((i + a) * h + j + b) * ci + c]! * ws[((a * 3 + b) * ci + c) * co + o]!;
              }
            }
          }
          error += (ys[(i * (h - 2) + j) * co + o]! - sum) ** 2;
          norm += sum ** 2;
        }
      }
    }
    expect(Math.sqrt(error / norm)).toBeLessThan(2e-6);
    tf.dispose([x, w, y]);
  });

  it('uses the new filter, not the transformed old one, after any number of calls', async () => {
    await useWasm();
    const x = normal(1, [1, 6, 6, 4]) as tf.Tensor4D;
    const variable = tf.variable(normal(2, [3, 3, 4, 4]));
    const f = (): tf.Tensor => conv2d(x, variable as tf.Tensor as tf.Tensor4D, undefined, { padding: 1 });
    for (let i = 0; i < 4; i++) {
      const doubled = tf.tidy(() => tf.mul(f(), 2).dataSync());
      tf.tidy(() => variable.assign(tf.mul(variable, 2)));
      expectAllClose(
        tf.tidy(() => f().dataSync()),
        doubled,
      );
      expectAllClose(
        tf.tidy(() => f().dataSync()),
        doubled,
      );
    }
    tf.dispose([x, variable]);
  });
});

it('linear is that of the cpu backend, and so are its gradients', () =>
  fc.assert(
    fc.asyncProperty(size(20), size(300), size(40), (rows, inputs, outputs) =>
      expectSameOnBoth(() =>
        withGradients(
          (x, w, b) => linear(x, w as tf.Tensor2D, b as tf.Tensor1D),
          [normal(1, [rows, inputs]), normal(2, [inputs, outputs]), normal(3, [outputs])],
        ),
      ),
    ),
    runs,
  ));

it('silu is that of the cpu backend from −∞ to ∞, and so is its gradient', async () => {
  await expectSameOnBoth(() => withGradients(silu, [tf.mul(normal(1, [37]), 20)]), 1e-6);
  await expectSameOnBoth(() => [
    silu(tf.tensor1d([0, -0, 1e-30, 88, 89, -88, -104, -1e4, 1e4, Number.POSITIVE_INFINITY, Number.NaN])),
    silu(tf.tensor1d([Number.NEGATIVE_INFINITY])),
  ]);
});

it('groupNorm is that of the cpu backend with and without SiLU and modulation, and so are its gradients', () =>
  fc.assert(
    fc.asyncProperty(
      size(3),
      size(9),
      size(9),
      size(4),
      size(9),
      fc.boolean(),
      fc.boolean(),
      (batch, height, width, groups, each, modulated, activated) =>
        expectSameOnBoth(() => {
          const c = groups * each;
          const x = tf.add(normal(1, [batch, height, width, c]), 3);
          const activation = activated ? { activation: 'silu' as const } : {};
          const modulation = modulated ? [normal(4, [batch, c]), normal(5, [batch, c])] : [];
          return withGradients(
            (x, scale, offset, factor, shift) =>
              groupNorm(x!, scale as tf.Tensor1D, offset as tf.Tensor1D, {
                groups,
                epsilon: 1e-2,
                ...activation,
                ...(modulated && {
                  modulation: { scale: factor as tf.Tensor2D, shift: shift as tf.Tensor2D },
                }),
              }),
            [x, normal(2, [c]), normal(3, [c]), ...modulation],
          );
        }, 5e-5),
    ),
    runs,
  ));

it.each([
  ['about zero', 0, 1],
  ['many deviations from zero', 3000, 1],
  ['normalised to where σ ends', 0, 60],
])(
  'groupNorm is that of the cpu backend on images of many blocks %s, and so are its gradients',
  (_, mean, gain) =>
    expectSameOnBoth(
      () =>
        withGradients(
          (x, scale, offset) =>
            groupNorm(x!, scale as tf.Tensor1D, offset as tf.Tensor1D, {
              groups: 5,
              epsilon: 1e-5,
              activation: 'silu',
            }),
          [tf.add(normal(1, [2, 167, 161, 5]), mean), tf.mul(normal(2, [5]), gain), normal(3, [5])],
        ),
      5e-5,
    ),
);

it.each([Number.NaN, Number.POSITIVE_INFINITY])(
  'groupNorm lets %d through to its own group and no other',
  async (value) => {
    await useWasm();
    const x = tf.buffer([1, 30, 30, 8], 'float32', normal(1, [1, 30, 30, 8]).dataSync<'float32'>());
    x.set(value, 0, 17, 3, 5);
    const y = tf.tidy(() =>
      groupNorm(x.toTensor(), tf.ones([8]), tf.zeros([8]), {
        groups: 4,
        epsilon: 1e-5,
        activation: 'silu',
      }).dataSync(),
    );
    y.forEach((number, i) => {
      const isInGroup = i % 8 === 4 || i % 8 === 5;
      expect(Number.isNaN(number), `number ${i}`).toBe(isInGroup);
    });
  },
);

it('attention is that of the cpu backend, and so are its gradients', () =>
  fc.assert(
    fc.asyncProperty(
      size(2),
      size(3),
      fc.oneof(size(20), fc.constant(131)),
      size(37),
      size(17),
      (n, heads, l, m, d) =>
        expectSameOnBoth(
          () =>
            withGradients(
              (q, k, v) => scaledDotProductAttention(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D),
              [
                tf.mul(normal(1, [n, heads, l, d]), 3),
                normal(2, [n, heads, m, d]),
                normal(3, [n, heads, m, d]),
              ],
            ),
          3e-5,
        ),
    ),
    runs,
  ));

it('upsampleNearest is that of the cpu backend, and so is its gradient', () =>
  fc.assert(
    fc.asyncProperty(
      size(3),
      size(5),
      size(5),
      channels,
      fc.integer({ min: 2, max: 3 }),
      (n, h, w, c, factor) =>
        expectSameOnBoth(() =>
          withGradients((x) => upsampleNearest(x as tf.Tensor4D, factor), [normal(1, [n, h, w, c])]),
        ),
    ),
    runs,
  ));

it('adamWStep is that of the cpu backend, with and without clipping and EMA', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(size(40), { minLength: 1, maxLength: 5 }),
      fc.boolean(),
      fc.boolean(),
      (sizes, clip, ema) =>
        expectSameOnBoth(() => {
          const tree = (seed: number, f = (x: tf.Tensor): tf.Tensor => x): Record<string, tf.Tensor> =>
            Object.fromEntries(sizes.map((n, i) => [`p${i}`, f(normal(seed + i, [n]))]));
          const result = adamWStep({
            params: tree(1),
            grads: tree(2),
            m: tree(3),
            v: tree(4, tf.abs),
            step: 3,
            learningRate: 1e-2,
            betas: [0.9, 0.99],
            epsilon: 1e-8,
            weightDecay: 0.1,
            ...(clip && { maxGradNorm: 0.5 }),
            ...(ema && { ema: { params: tree(5), decay: 0.9 } }),
          });
          const { params, m, v, norms } = result;
          return [params, m, v, result.ema ?? {}].flatMap((t) => Object.values(t)).concat(norms);
        }),
    ),
    runs,
  ));

it('gives the same bits every time, and leaves no tensor behind', async () => {
  await useWasm();
  const step = (): tf.Tensor[] =>
    tf.tidy(() =>
      withGradients(
        (x, w, s, o) => {
          const y = conv2d(x as tf.Tensor4D, w as tf.Tensor4D, undefined, { padding: 1 });
          return upsampleNearest(
            groupNorm(y, s as tf.Tensor1D, o as tf.Tensor1D, {
              groups: 2,
              epsilon: 1e-5,
              activation: 'silu',
            }) as tf.Tensor4D,
            2,
          );
        },
        [normal(1, [2, 8, 8, 6]), normal(2, [3, 3, 6, 8]), normal(3, [8]), normal(4, [8])],
      ),
    );
  const first = step();
  const second = step();
  first.forEach((tensor, i) => {
    expect(tensor.dataSync()).toEqual(second[i]!.dataSync());
  });
  tf.dispose([first, second]);
  await expectNoLeak(step);
});

it('SiLU is that of float64 within 6e-7 and one unit in the last place of x, as far as σ is above 1e-37', async () => {
  await useWasm();
  const x = Float32Array.from({ length: 200_003 }, (_, i) => -85.5 + (i * 175) / 200_002);
  const y = tf.tidy(() => silu(tf.tensor1d(x)).dataSync());
  x.forEach((value, i) => {
    const sigmoid = 1 / (1 + Math.exp(-value));
    // d ln σ / dx = 1 − σ: what one unit in the last place of x comes to at most.
    const allowed = 6e-7 + 2 ** -23 * Math.abs(value) * (1 - sigmoid);
    const error = Math.abs(y[i]! / (value * sigmoid) - 1);
    if (error > allowed) throw new Error(`silu(${value}) is off by ${error}, ${allowed} is allowed`);
  });
  const ends = tf.tidy(() => silu(tf.tensor1d([-1000, -90, 1000, Infinity, NaN])).dataSync());
  expect([...ends]).toEqual([-0, -0, 1000, Infinity, NaN]);
});
