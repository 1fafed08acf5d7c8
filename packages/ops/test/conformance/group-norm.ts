import { expectAllClose, expectNoLeak } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { groupNorm } from '../../src/index.js';
import { type Array64, array64, expectConforms, finiteDifferences, normal, toTensor } from './reference.js';
import { watchKernel } from './watch-kernel.js';

interface Options {
  groups: number;
  epsilon: number;
  activation?: 'silu';
}

/** Declares the tests of `groupNorm` on the active backend. */
export function groupNormConforms(): void {
  describe('groupNorm and its gradients equal their definition', () => {
    it.each<[string, number[], number]>([
      ['an image', [2, 3, 4, 8], 4],
      ['odd sizes', [2, 5, 3, 6], 3],
      ['batch 1', [1, 4, 4, 4], 2],
      ['one channel', [3, 4, 5, 1], 1],
      ['one group of everything', [2, 3, 3, 5], 1],
      ['a group for each channel', [2, 4, 3, 7], 7],
      ['tokens', [2, 7, 12], 3],
      ['vectors', [4, 10], 2],
      ['one position', [2, 1, 1, 16], 4],
      ['volumes', [2, 2, 3, 2, 4], 2],
      ['many channels', [1, 2, 3, 40], 8],
    ])('for %s', (_name, shape, groups) => {
      expectNormConforms({ groups, epsilon: 1e-5 }, inputsOf(shape, false));
    });

    it('followed by silu', () => {
      expectNormConforms({ groups: 4, epsilon: 1e-5, activation: 'silu' }, inputsOf([2, 3, 5, 8], false));
    });

    it('with a modulation for each example', () => {
      expectNormConforms({ groups: 2, epsilon: 1e-5 }, inputsOf([3, 3, 2, 6], true));
    });

    it('with a modulation, followed by silu', () => {
      expectNormConforms({ groups: 4, epsilon: 1e-3, activation: 'silu' }, inputsOf([2, 4, 3, 8], true));
    });

    it('on more positions than are added in one go', () => {
      const x = normal(1, [2, 31, 29, 4]);
      const [scale, offset] = [normal(2, [4]), normal(3, [4])];
      const options = { groups: 2, epsilon: 1e-6 };
      expectConforms(
        (tx, ts, to) => groupNorm(tx!, ts as tf.Tensor1D, to as tf.Tensor1D, options),
        { y: normalise(options, x, scale, offset), gradients: () => [] },
        [x, scale, offset],
      );
    });
  });

  describe('groupNorm', () => {
    it('keeps its digits where the mean is a thousand deviations', () => {
      const x = normal(1, [2, 28, 28, 8]);
      // Rounded to float32 here, so that the reference sees the same numbers.
      x.values.forEach((value, i) => {
        x.values[i] = Math.fround(value + 1000);
      });
      const [scale, offset] = [normal(2, [8]), normal(3, [8])];
      const options = { groups: 4, epsilon: 1e-5 };
      expectConforms(
        (tx, ts, to) => groupNorm(tx!, ts as tf.Tensor1D, to as tf.Tensor1D, options),
        { y: normalise(options, x, scale, offset), gradients: () => [] },
        [x, scale, offset],
      );
    });

    it('keeps its digits where the first position, or a whole first channel, is far from the others', () => {
      for (const isFar of [(i: number) => i % (15 * 13 * 6) < 6, (i: number) => i % 6 === 0]) {
        const x = normal(1, [2, 15, 13, 6]);
        x.values.forEach((value, i) => {
          if (isFar(i)) x.values[i] = Math.fround(1000 + value);
        });
        expectNormConforms({ groups: 2, epsilon: 1e-5, activation: 'silu' }, [
          x,
          normal(2, [6]),
          normal(3, [6]),
        ]);
      }
    });

    it('hands its gradient the mean and the inverse deviation of each group, to float32', () => {
      tf.tidy(() => {
        const x = tf.add(toTensor(normal(1, [2, 28, 28, 4])), 1000);
        const members = [0, 1, 2, 3].map((group) =>
          [...x.dataSync()].filter(
            (_, i) => 2 * Math.floor(i / (784 * 4)) + Math.floor((i % 4) / 2) === group,
          ),
        );
        const means = members.map((group) => group.reduce((a, b) => a + b) / group.length);
        const variances = members.map(
          (group, i) => group.reduce((sum, value) => sum + (value - means[i]!) ** 2, 0) / group.length,
        );
        watchKernel(
          'DiffusionGroupNormGrad',
          ['x', 'scale', 'offset'],
          ({ mean, inverseDeviation }) => {
            expect([mean!.shape, inverseDeviation!.shape]).toEqual([
              [2, 2],
              [2, 2],
            ]);
            expectAllClose(mean!, means, { relative: 2e-7, absolute: 0 });
            expectAllClose(
              inverseDeviation!,
              variances.map((variance) => 1 / Math.sqrt(variance + 0.5)),
            );
          },
          () => tf.grad((t) => groupNorm(t, tf.ones([4]), tf.zeros([4]), { groups: 2, epsilon: 0.5 }))(x),
        );
      });
    });

    it('turns a constant into the offset', () => {
      tf.tidy(() => {
        const y = groupNorm(tf.fill([1, 3, 3, 2], 7), tf.ones([2]), tf.tensor1d([0.25, -4]), {
          groups: 1,
          epsilon: 1e-5,
        });
        expect([...y.dataSync()]).toEqual(Array.from({ length: 18 }, (_, i) => (i % 2 === 0 ? 0.25 : -4)));
      });
    });

    it('keeps a NaN within its example', () => {
      tf.tidy(() => {
        const x = tf.buffer([2, 4, 4, 4]);
        x.set(Number.NaN, 0, 1, 2, 3);
        const y = groupNorm(x.toTensor(), tf.ones([4]), tf.zeros([4]), {
          groups: 2,
          epsilon: 1e-5,
        }).arraySync();
        const examples = (y as number[][][][]).map((example) => example.flat(2));
        expect(examples[0]!.some(Number.isNaN)).toBe(true);
        expect(examples[1]!.every((value) => value === 0)).toBe(true);
      });
    });

    it('leaves no tensor behind, forward or backward', async () => {
      const inputs = [[2, 3, 3, 4], [4], [4], [2, 4], [2, 4]].map((shape, i) => toTensor(normal(i, shape)));
      const run = (...tensors: tf.Tensor[]): tf.Tensor =>
        apply({ groups: 2, epsilon: 1e-5, activation: 'silu' }, tensors);
      await expectNoLeak(() => run(...inputs));
      await expectNoLeak(() => tf.grads(run)(inputs));
      tf.dispose(inputs);
    });
  });
}

function inputsOf(shape: number[], modulated: boolean): Array64[] {
  const batch = shape[0]!;
  const channels = shape.at(-1)!;
  const shapes = [
    shape,
    [channels],
    [channels],
    ...(modulated
      ? [
          [batch, channels],
          [batch, channels],
        ]
      : []),
  ];
  return shapes.map((s, i) => normal(i + 1, s));
}

function expectNormConforms(options: Options, inputs: Array64[]): void {
  const reference = (...arrays: Array64[]): Array64 =>
    normalise(options, ...(arrays as [Array64, Array64, Array64, Array64?, Array64?]));
  expectConforms(
    (...tensors) => apply(options, tensors),
    { y: reference(...inputs), gradients: (dy) => finiteDifferences(reference, inputs, dy) },
    inputs,
  );
}

function apply(options: Options, tensors: tf.Tensor[]): tf.Tensor {
  const [x, scale, offset, modulationScale, shift] = tensors;
  return groupNorm(x!, scale as tf.Tensor1D, offset as tf.Tensor1D, {
    ...options,
    ...(shift && { modulation: { scale: modulationScale as tf.Tensor2D, shift: shift as tf.Tensor2D } }),
  });
}

function normalise(
  { groups, epsilon, activation }: Options,
  x: Array64,
  scale: Array64,
  offset: Array64,
  modulationScale?: Array64,
  shift?: Array64,
): Array64 {
  const batch = x.shape[0]!;
  const channels = x.shape.at(-1)!;
  const positions = x.values.length / (batch * channels);
  const y = array64(x.shape);
  for (let n = 0; n < batch; n++) {
    for (let g = 0; g < groups; g++) {
      const members: number[] = [];
      for (let p = 0; p < positions; p++) {
        for (let k = 0; k < channels / groups; k++) {
          members.push((n * positions + p) * channels + (g * channels) / groups + k);
        }
      }
      const mean = members.reduce((sum, i) => sum + x.values[i]!, 0) / members.length;
      const variance = members.reduce((sum, i) => sum + (x.values[i]! - mean) ** 2, 0) / members.length;
      for (const i of members) {
        const c = i % channels;
        let value =
          ((x.values[i]! - mean) / Math.sqrt(variance + epsilon)) * scale.values[c]! + offset.values[c]!;
        if (modulationScale && shift) {
          value = value * (1 + modulationScale.values[n * channels + c]!) + shift.values[n * channels + c]!;
        }
        y.values[i] = activation === 'silu' ? value / (1 + Math.exp(-value)) : value;
      }
    }
  }
  return y;
}
