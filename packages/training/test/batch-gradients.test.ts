import { simple } from '@diffusion-ts/losses';
import { disposeParams, rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { type BatchGradients, batchGradients } from '../src/batch-gradients.js';
import type { Examples } from '../src/examples.js';
import { classes, steps, toyParams, toyReverse } from './toy.js';

const size = 6;

function examples(): Examples & tf.NamedTensorMap {
  const source = rng(3);
  return {
    x0: source.normal([size, 2]),
    t: source.integers([size], steps) as tf.Tensor1D,
    noise: source.normal([size, 2]),
    weights: source.uniform([size]) as tf.Tensor1D,
    labels: source.integers([size], classes) as tf.Tensor1D,
  };
}

function compute(microBatch: number): BatchGradients {
  return tf.tidy(() =>
    batchGradients({
      params: toyParams(),
      reverse: toyReverse,
      loss: simple(),
      examples: examples(),
      microBatch,
      rng: rng(1),
    }),
  );
}

onEachBackend(() => {
  test('the gradient is that of the weighted mean of the losses, by finite differences', () => {
    tf.tidy(() => {
      const params = toyParams();
      const rows = examples();
      const objective = (): number => {
        const { perExample } = simple()(toyReverse(params, rng(1)), rows.x0, rows.t, rows.noise, {
          labels: rows.labels!,
        });
        const losses = Array.from(perExample.dataSync());
        const weights = Array.from(rows.weights.dataSync());
        return losses.reduce((sum, loss, i) => sum + weights[i]! * loss, 0) / size;
      };
      const { grads } = compute(size);
      const grad = grads['out.weight']!.dataSync();
      const weight = params['out.weight']!;
      const h = 1e-2;
      for (const i of [0, 7, 31]) {
        const moved = [h, -h].map((step) => {
          const bump = tf.mul(tf.cast(tf.oneHot(tf.scalar(i, 'int32'), 32), 'float32'), step);
          (params as Record<string, tf.Tensor>)['out.weight'] = tf.add(
            weight,
            tf.reshape(bump, weight.shape),
          );
          return objective();
        });
        // The objective is quadratic in this layer: central differences are exact but for rounding.
        expect((moved[0]! - moved[1]!) / (2 * h)).toBeCloseTo(grad[i]!, 4);
      }
    });
  });

  test('in parts of any size the losses and the gradient are those of the whole batch', () => {
    const whole = compute(size);
    for (const microBatch of [1, 2, 4, 5]) {
      const parts = compute(microBatch);
      expectAllClose(parts.perExample, whole.perExample, { relative: 1e-5 });
      for (const [name, grad] of Object.entries(whole.grads)) {
        expectAllClose(parts.grads[name]!, grad, { relative: 1e-5, absolute: 1e-7 });
      }
      tf.dispose([parts.perExample]);
      disposeParams(parts.grads);
    }
    tf.dispose([whole.perExample]);
    disposeParams(whole.grads);
  });

  test('a network that draws gives example i the same numbers whatever the parts', () => {
    const seen: number[][] = [[], []];
    [size, 4].forEach((microBatch, run) => {
      const result = tf.tidy(() =>
        batchGradients({
          params: toyParams(),
          reverse: (params, source) => {
            const process = toyReverse(params, source);
            return {
              ...process,
              network: (xt, t, condition) => {
                seen[run]!.push(...source.normal(xt.shape).dataSync());
                return process.network(xt, t, condition);
              },
            };
          },
          loss: simple(),
          examples: examples(),
          microBatch,
          rng: rng(9),
        }),
      );
      tf.dispose(result);
    });
    expect(seen[0]!.length).toBe(2 * size);
    expect(seen[1]).toEqual(seen[0]);
  });

  test('nothing is left behind, also where the loss fails', async () => {
    await expectNoLeak(() => compute(4));
    await expectNoLeak(() => {
      expect(() =>
        tf.tidy(() =>
          batchGradients({
            params: toyParams(),
            reverse: toyReverse,
            loss: (reverse, x0, t, noise, condition) => {
              if (x0.shape[0] === 2) throw new Error('the last part');
              return simple()(reverse, x0, t, noise, condition);
            },
            examples: examples(),
            microBatch: 4,
            rng: rng(1),
          }),
        ),
      ).toThrow('the last part');
    });
  });

  test('a loss that is not one value per example is refused', () => {
    const mean: typeof simple = () => () => ({ perExample: tf.zeros([1]) as tf.Tensor1D });
    tf.tidy(() => {
      expect(() =>
        batchGradients({
          params: toyParams(),
          reverse: toyReverse,
          loss: mean(),
          examples: examples(),
          microBatch: size,
          rng: rng(1),
        }),
      ).toThrow('loss must return one value per example, [6], not [1]');
    });
  });
});
