import { createHash } from 'node:crypto';
import { conv2d } from '@diffusion-ts/ops';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import { useNode } from '../src/index.js';
import { expectSame, normal } from './both.js';
import { describeInstalled } from './installed.js';

const size = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });
const side = size(0, 2);
const padding = fc.record({ top: side, bottom: side, left: side, right: side });

interface Spec {
  batch: number;
  height: number;
  width: number;
  channels: number;
  filters: number;
  kernel: number;
  stride: number;
  padding: { top: number; bottom: number; left: number; right: number };
  bias: boolean;
  residual: boolean;
}

const images = {
  channels: size(1, 37),
  filters: size(1, 37),
  padding,
  bias: fc.boolean(),
  residual: fc.boolean(),
};

async function check(spec: Spec): Promise<void> {
  const { batch, height, width, channels, filters, kernel, stride, padding } = spec;
  const steps = (size: number): number => Math.floor((size - kernel) / stride) + 1;
  const y = [
    batch,
    steps(height + padding.top + padding.bottom),
    steps(width + padding.left + padding.right),
  ];
  const optional = [...(spec.bias ? [[filters]] : []), ...(spec.residual ? [[...y, filters]] : [])];
  await expectSame(
    (x, weight, ...rest) =>
      conv2d(x as tf.Tensor4D, weight as tf.Tensor4D, spec.bias ? (rest[0] as tf.Tensor1D) : undefined, {
        stride,
        padding,
        ...(spec.residual && { residual: rest.at(-1) as tf.Tensor4D }),
      }),
    [batch, height, width, channels],
    [kernel, kernel, channels, filters],
    ...optional,
  );
}

/** Channels-last images of 49 · batch tiles, so that Winograd's algorithm is taken. */
const [BATCH, SIDE, CHANNELS, FILTERS] = [2, 28, 20, 24] as const;

describeInstalled('our convolutions in TensorFlow', () => {
  beforeAll(async () => {
    await useNode({ threads: 2 });
  });

  it('are, with their gradients, those of the cpu where Winograd is taken, whatever the shape', () =>
    fc.assert(
      fc.asyncProperty(
        fc.record({ ...images, batch: size(2, 4), height: size(14, 21), width: size(14, 21) }),
        (spec) => check({ ...spec, kernel: 3, stride: 1 }),
      ),
      { numRuns: 6 },
    ));

  it('are, with their gradients, those of the cpu for any filter and stride', () =>
    fc.assert(
      fc.asyncProperty(
        fc.record({
          ...images,
          batch: size(1, 3),
          height: size(5, 13),
          width: size(5, 13),
          kernel: size(1, 5),
          stride: size(1, 3),
        }),
        check,
      ),
      { numRuns: 15 },
    ));

  it('stay within 2e-6 of the norm of their sums in float64', () => {
    const [x, weight] = [
      normal<tf.Tensor4D>(1, [BATCH, SIDE, SIDE, CHANNELS]),
      normal<tf.Tensor4D>(2, [3, 3, CHANNELS, FILTERS]),
    ];
    const [y, xs, ws] = [conv2d(x, weight, undefined), x, weight].map((t) => t.dataSync());
    let [error, norm] = [0, 0];
    const out = SIDE - 2;
    y!.forEach((value, i) => {
      const [o, column, row] = [
        i % FILTERS,
        Math.floor(i / FILTERS) % out,
        Math.floor(i / FILTERS / out) % out,
      ];
      const image = Math.floor(i / FILTERS / out / out);
      let sum = 0;
      for (let tap = 0; tap < 9; tap++) {
        const pixel = (image * SIDE + row + Math.floor(tap / 3)) * SIDE + column + (tap % 3);
        for (let c = 0; c < CHANNELS; c++) {
          sum += xs![pixel * CHANNELS + c]! * ws![(tap * CHANNELS + c) * FILTERS + o]!;
        }
      }
      error += (value - sum) ** 2;
      norm += sum ** 2;
    });
    expect(Math.sqrt(error / norm)).toBeLessThan(2e-6);
    tf.dispose([x, weight]);
  });

  it('pass an infinity and a NaN on to the pixels that see them, and to no others', () => {
    const shape: [number, number, number, number] = [BATCH, SIDE, SIDE, CHANNELS];
    const x = tf.buffer(shape);
    x.set(Number.POSITIVE_INFINITY, 0, 5, 6, 3);
    x.set(Number.NaN, 1, 20, 9, 0);
    const y = tf.tidy(() =>
      conv2d(x.toTensor() as tf.Tensor4D, tf.ones([3, 3, CHANNELS, FILTERS]), undefined, { padding: 1 }),
    );
    const values = y.dataSync();
    const seen = Array.from({ length: BATCH * SIDE * SIDE }, (_, pixel) => values[pixel * FILTERS]!);
    seen.forEach((value, pixel) => {
      const [row, column] = [Math.floor(pixel / SIDE) % SIDE, pixel % SIDE];
      const near = (i: number, j: number): boolean => Math.abs(row - i) <= 1 && Math.abs(column - j) <= 1;
      const image = Math.floor(pixel / SIDE / SIDE);
      const expected =
        image === 0 && near(5, 6) ? Number.POSITIVE_INFINITY : image === 1 && near(20, 9) ? Number.NaN : 0;
      expect(value, `pixel ${row}, ${column} of image ${image}`).toBe(expected);
    });
    y.dispose();
  });

  it('give the same bits every time, whichever thread does what', () => {
    const shapes = [
      [BATCH, SIDE, SIDE, CHANNELS],
      [3, 3, CHANNELS, FILTERS],
    ];
    const [x, weight] = shapes.map((shape, i) => normal(i, shape)) as [tf.Tensor, tf.Tensor];
    const f = (x: tf.Tensor, weight: tf.Tensor): tf.Tensor =>
      conv2d(x as tf.Tensor4D, weight as tf.Tensor4D, undefined, { padding: 1 });
    const bits = (): string[] =>
      tf.tidy(() =>
        [f(x, weight), ...tf.grads(f)([x, weight])].map((tensor) =>
          createHash('sha256').update(tensor.dataSync()).digest('hex'),
        ),
      );
    const first = bits();
    for (let i = 0; i < 5; i++) expect(bits()).toEqual(first);
    tf.dispose([x, weight]);
  });
});
