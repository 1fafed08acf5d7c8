import { createHash } from 'node:crypto';
import { adamWStep, conv2d, groupNorm, scaledDotProductAttention, upsampleNearest } from '@diffusion-ts/ops';
import type { Params } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { useNode } from '../src/index.js';
import { opsKernels } from '../src/ops-kernels.js';
import { expectSame, normal } from './both.js';
import { describeInstalled } from './installed.js';

// The conformance tests of ops hold every kernel to its definition, at sizes where that takes no time. Here are the
// sizes at which our kernels go to work in parts, on several threads; there they must be what ops composes on the cpu.

describeInstalled('our kernels in TensorFlow, where they work in parts', () => {
  beforeAll(async () => {
    await useNode({ threads: 2 });
  });

  it('are all registered, so that nothing is composed', () => {
    expect(opsKernels.map(({ kernelName }) => tf.getKernel(kernelName, 'tensorflow'))).toEqual(
      opsKernels.map((config) => config),
    );
    expect(opsKernels.length).toBe(14);
  });

  it.each<[string, number[], number]>([
    ['one image of several slabs', [1, 33, 33, 64], 4],
    ['more images than threads, each of several slabs', [3, 33, 33, 64], 8],
    ['channels that do not fill the vectors', [2, 25, 33, 20], 5],
    ['many small examples', [300, 4, 24], 3],
  ])('groupNorm with silu on %s', async (_name, shape, groups) => {
    const channels = shape.at(-1)!;
    await expectSame(
      (x, scale, offset) =>
        groupNorm(x!, scale as tf.Tensor1D, offset as tf.Tensor1D, {
          groups,
          epsilon: 1e-5,
          activation: 'silu',
        }),
      shape,
      [channels],
      [channels],
    );
  });

  it.each<[string, number, number, number]>([
    ['blocks of queries and keys that are not full', 49, 49, 8],
    ['other keys than queries', 70, 33, 8],
    ['a depth that is no multiple of eight', 20, 20, 13],
  ])('attention on %s', async (_name, queries, keys, depth) => {
    await expectSame(
      (q, k, v) => scaledDotProductAttention(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D),
      [3, 4, queries, depth],
      [3, 4, keys, depth],
      [3, 4, keys, depth],
    );
  });

  it('upsampleNearest on more rows than a part has', async () => {
    await expectSame((x) => upsampleNearest(x as tf.Tensor4D), [4, 9, 7, 18]);
  });

  it('adamWStep over parameters of one part and of many', async () => {
    const step = (): Float32Array[] =>
      tf.tidy(() => {
        const tree = (seed: number): Params => ({
          a: normal(seed, [5]),
          b: tf.square(normal(seed + 1, [40_000])),
          c: normal(seed + 2, [128, 129]),
        });
        const squares = Object.fromEntries(Object.entries(tree(40)).map(([name, t]) => [name, tf.square(t)]));
        const { params, m, v, ema, norms } = adamWStep({
          params: tree(10),
          grads: tree(20),
          m: tree(30),
          v: squares,
          ema: { params: tree(50), decay: 0.9 },
          step: 3,
          learningRate: 0.1,
          betas: [0.9, 0.99],
          epsilon: 1e-6,
          weightDecay: 0.1,
          maxGradNorm: 10,
        });
        return [norms, ...[params, m, v, ema!].flatMap((tree) => Object.values(tree))].map((tensor) =>
          tensor.dataSync<'float32'>(),
        );
      });
    await tf.setBackend('cpu');
    const expected = step();
    await useNode();
    const actual = step();
    expect(actual.length).toBe(13);
    expected.forEach((values, i) => {
      expectAllClose(actual[i]!, values, { relative: 1e-5, absolute: 1e-6 });
    });
  });

  it('give the same bits every time, whichever thread does what', async () => {
    await useNode();
    const [x, scale] = [normal<tf.Tensor4D>(1, [5, 30, 30, 64]), normal<tf.Tensor1D>(2, [64])];
    const f = (x: tf.Tensor, scale: tf.Tensor): tf.Tensor =>
      groupNorm(x, scale as tf.Tensor1D, scale as tf.Tensor1D, { groups: 4, epsilon: 1e-5 });
    const bits = (): string[] =>
      tf.tidy(() =>
        [f(x, scale), ...tf.grads(f)([x, scale], x)].map((tensor) =>
          createHash('sha256').update(tensor.dataSync()).digest('hex'),
        ),
      );
    const first = bits();
    for (let i = 0; i < 5; i++) expect(bits()).toEqual(first);
  });

  it('leave no tensor behind in the backend', async () => {
    await useNode();
    const backend = tf.backend();
    const x = normal<tf.Tensor4D>(1, [2, 6, 6, 8]);
    const weight = normal<tf.Tensor4D>(2, [3, 3, 8, 8]);
    const bias = normal<tf.Tensor1D>(3, [8]);
    const step = (input = x): tf.Tensor =>
      tf.tidy(() =>
        groupNorm(conv2d(input, weight, bias, { stride: 2, padding: 1 }), bias, bias, {
          groups: 2,
          epsilon: 1e-5,
        }),
      );
    await expectNoLeak(() => step());
    const before = backend.numDataIds();
    step().dispose();
    tf.dispose(tf.grad((input) => step(input as tf.Tensor4D))(x));
    expect(backend.numDataIds()).toBe(before);
    tf.dispose([x, weight, bias]);
  });
});
