import { simple } from '@diffusion-ts/losses';
import { disposeParams, rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { type BatchGradients, batchGradients, type Examples } from '../src/batch-gradients.js';
import { classes, steps, through, toyParams, toyReverse } from './toy.js';

const size = 6;

function examples(): Examples {
  const source = rng(3);
  return {
    x0: source.normal([size, 2]),
    t: Float64Array.from(source.integers([size], steps).dataSync()),
    noise: source.normal([size, 2]),
    weights: source.doubles(size).map((weight) => weight / size),
    condition: { label: source.integers([size], classes) },
  };
}

function compute(options: Partial<Parameters<typeof batchGradients<ReturnType<typeof toyReverse>>>[0]> = {}) {
  return tf.tidy(
    (): BatchGradients =>
      batchGradients({
        params: toyParams(),
        reverse: toyReverse,
        loss: simple(),
        examples: examples(),
        microBatch: size,
        rng: rng(1),
        ...options,
      }),
  );
}

function dispose({ perExample, grads }: BatchGradients): void {
  perExample.dispose();
  disposeParams(grads);
}

onEachBackend(() => {
  test('the gradient is that of the weighted sum of the losses, by finite differences', () => {
    tf.tidy(() => {
      const params = toyParams();
      const { weights, ...rows } = examples();
      const objective = (): number => {
        const { perExample } = simple()({ reverse: toyReverse(params, rng(1)), ...rows });
        return Array.from(perExample.dataSync()).reduce((sum, loss, i) => sum + weights[i]! * loss, 0);
      };
      const { grads } = compute();
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
    const whole = compute();
    for (const microBatch of [1, 2, 4, 5]) {
      const parts = compute({ microBatch });
      expectAllClose(parts.perExample, whole.perExample, { relative: 1e-5 });
      for (const [name, grad] of Object.entries(whole.grads)) {
        expectAllClose(parts.grads[name]!, grad, { relative: 1e-5, absolute: 1e-7 });
      }
      dispose(parts);
    }
    dispose(whole);
  });

  test('a network that draws gives example i the same numbers whatever the parts', () => {
    const seen = [size, 4].map((microBatch) => {
      const drawn: number[] = [];
      const reverse = through((denoise, _, source) => (xt, told, condition) => {
        drawn.push(...source.normal(xt.shape).dataSync());
        return denoise(xt, told, condition);
      });
      dispose(compute({ reverse, microBatch, rng: rng(9) }));
      return drawn;
    });
    expect(seen[0]).toEqual(Array.from(tf.tidy(() => rng(9).normal([size, 2]).dataSync())));
    expect(seen[1]).toEqual(seen[0]);
  });

  test('the loss sees the averaged network too, where there is an average, and it draws the same numbers', () => {
    const drawn: number[][] = [];
    const seen: number[][] = [];
    const reverse = through((_, params, source) => (xt) => {
      drawn.push(Array.from(source.normal(xt.shape).dataSync()));
      return tf.mul(xt, params.gain!);
    });
    const [gain, ema] = [tf.scalar(2), tf.scalar(3)];
    const result = compute({
      params: { gain },
      ema: { gain: ema },
      reverse,
      microBatch: 4,
      loss: ({ reverse, average, x0, t, condition }) => {
        const [own, averaged] = [reverse, average!].map((process) => {
          const evaluation = process.evaluate(x0, t, condition);
          if (evaluation instanceof Promise) throw new Error('not at once');
          return evaluation.prediction;
        });
        seen.push(Array.from(tf.div(own!, averaged!).dataSync()));
        // Its gradient for the gain alone: the average is a constant.
        return { perExample: tf.sum(tf.mul(own!, averaged!), 1) as tf.Tensor1D };
      },
    });
    for (const ratios of seen)
      expectAllClose(
        ratios,
        ratios.map(() => 2 / 3),
        { relative: 1e-6 },
      );
    expect(seen.map((ratios) => ratios.length)).toEqual([8, 4]);
    expect(drawn[1]).toEqual(drawn[0]);
    expect(drawn[3]).toEqual(drawn[2]);
    // d/dgain Σ w (gain x)(3 x)
    const expected = tf.tidy(() => {
      const { x0, weights } = examples();
      const squares = Array.from(tf.sum(tf.square(x0), 1).dataSync());
      return squares.reduce((sum, square, i) => sum + 3 * weights[i]! * square, 0);
    });
    expectAllClose(result.grads.gain!, [expected], { relative: 1e-5 });
    dispose(result);
    tf.dispose([gain, ema]);
  });

  test('without an average the loss is given none', () => {
    dispose(
      compute({
        loss: (context) => {
          expect('average' in context).toBe(false);
          return simple()(context);
        },
      }),
    );
  });

  test('nothing is left behind, also where the loss or its gradient fails', async () => {
    await expectNoLeak(() => compute({ microBatch: 4 }));
    await expectNoLeak(() => {
      expect(() =>
        compute({
          loss: (context) => {
            if (context.x0.shape[0] === 2) throw new Error('the last part');
            return simple()(context);
          },
          microBatch: 4,
        }),
      ).toThrow('the last part');
    });
    const refuse = tf.customGrad((...inputs) => ({
      value: tf.clone(inputs[0] as tf.Tensor),
      gradFunc: () => {
        throw new Error('no gradient');
      },
    }));
    await expectNoLeak(() => {
      expect(() =>
        compute({ loss: (context) => ({ perExample: refuse(simple()(context).perExample) as tf.Tensor1D }) }),
      ).toThrow('no gradient');
    });
  });

  test('a loss that is not one value per example is refused', () => {
    expect(() => compute({ loss: () => ({ perExample: tf.zeros([1]) as tf.Tensor1D }) })).toThrow(
      new RangeError('loss must return one value per example, [6], not [1]'),
    );
  });
});
