import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  axpby,
  checkPerExample,
  mapExamples,
  perExampleTensor,
  valueAndGrad,
  zipExamples,
} from '../src/index.js';

const number = fc.double({ min: -100, max: 100, noNaN: true });
const batches = fc.integer({ min: 1, max: 5 }).chain((batch) =>
  fc.record({
    x: fc.array(number, { minLength: 6 * batch, maxLength: 6 * batch }),
    y: fc.array(number, { minLength: 6 * batch, maxLength: 6 * batch }),
    a: fc.array(number, { minLength: batch, maxLength: batch }),
    b: fc.array(number, { minLength: batch, maxLength: batch }),
  }),
);
const images = (values: readonly number[]) =>
  tf.tensor4d(Float32Array.from(values), [values.length / 6, 3, 1, 2]);

onEachBackend(() => {
  describe('axpby', () => {
    it('is a x + b y with the numbers of each example, whatever they are', () => {
      fc.assert(
        fc.property(batches, ({ x, y, a, b }) => {
          const sum = tf.tidy(() => {
            const result = axpby(Float64Array.from(a), images(x), Float64Array.from(b), images(y));
            expect(result.shape).toEqual([a.length, 3, 1, 2]);
            return result.dataSync();
          });
          expectAllClose(
            sum,
            x.map((_, i) => a[Math.floor(i / 6)]! * x[i]! + b[Math.floor(i / 6)]! * y[i]!),
            { relative: 1e-6, absolute: 4e-3 },
          );
        }),
        { numRuns: 30 },
      );
    });

    it('gives the same bits for one number as for that number of each example', () => {
      const x = tf.tensor2d([0.1, -2, 3, 1e-9], [2, 2]);
      const y = tf.tensor2d([7, 0.3, -5, 1], [2, 2]);
      for (const [a, b] of [
        [0.3, 0.7],
        [1, -0.1],
        [0, 1 / 3],
        [1e-7, 0],
        [1, 0],
        [0, 1],
        [0, 0],
        [1, 1],
      ] as const) {
        const one = axpby(a, x, b, y).dataSync();
        expect(axpby(Float64Array.of(a, a), x, b, y).dataSync()).toEqual(one);
        expect(axpby(a, x, Float64Array.of(b, b), y).dataSync()).toEqual(one);
        expect([...one]).toEqual(
          [...x.dataSync()].map((_, i) => {
            const ax = Math.fround(Math.fround(a) * x.dataSync()[i]!);
            return Math.fround(ax + Math.fround(Math.fround(b) * y.dataSync()[i]!));
          }),
        );
      }
    });

    it('gives an example the same bits whatever is in its batch', () => {
      const x = tf.tensor2d([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [3, 2]);
      const y = tf.tensor2d([-1, 2, -3, 4, -5, 6], [3, 2]);
      const whole = axpby(Float64Array.of(0.1, 1, 0), x, Float64Array.of(0, 0.7, 1), y).dataSync();
      [0, 1, 2].forEach((i) => {
        const alone = axpby([0.1, 1, 0][i]!, tf.slice(x, [i], [1]), [0, 0.7, 1][i]!, tf.slice(y, [i], [1]));
        expect(alone.dataSync()).toEqual(whole.slice(2 * i, 2 * i + 2));
      });
    });

    it('does not look at what is multiplied by 0, of one number or of all', () => {
      const nan = tf.tensor1d([Number.NaN, Number.POSITIVE_INFINITY]);
      const x = tf.tensor1d([1, 2]);
      for (const zero of [0, -0, Float64Array.of(0, 0)]) {
        expect([...axpby(3, x, zero, nan).dataSync()]).toEqual([3, 6]);
        expect([...axpby(zero, nan, 3, x).dataSync()]).toEqual([3, 6]);
        expect([...axpby(zero, nan, zero, nan).dataSync()]).toEqual([0, 0]);
      }
    });

    it('gives a tensor of its own, also where it is x or y unchanged', () => {
      const x = tf.tensor1d([1, 2]);
      for (const result of [axpby(1, x, 0, x), axpby(0, x, 1, x)]) {
        result.dispose();
        expect([...x.dataSync()]).toEqual([1, 2]);
      }
    });

    it('has the gradients a and b, each example its own', () => {
      const [a, b] = [Float64Array.of(2, -3), Float64Array.of(0.5, 0.25)];
      const weights = tf.tensor2d([1, 10, 100, 1000], [2, 2]);
      const gradients = (p: number | Float64Array, q: number | Float64Array) => {
        const f = valueAndGrad(({ x, y }) => tf.sum(tf.mul(weights, axpby(p, x!, q, y!))) as tf.Scalar);
        const { grads } = f({ x: tf.ones([2, 2]), y: tf.ones([2, 2]) });
        return [[...grads.x!.dataSync()], [...grads.y!.dataSync()]];
      };
      expect(gradients(a, b)).toEqual([
        [2, 20, -300, -3000],
        [0.5, 5, 25, 250],
      ]);
      expect(gradients(4, 1)).toEqual([
        [4, 40, 400, 4000],
        [1, 10, 100, 1000],
      ]);
      expect(gradients(0, 1)[0]).toEqual([0, 0, 0, 0]);
    });

    it('takes a batch of no examples', () => {
      const none = tf.zeros([0, 3]);
      expect(axpby(new Float64Array(0), none, 2, none).shape).toEqual([0, 3]);
    });

    it('refuses x and y of two shapes, and numbers that are not one for each example', () => {
      const x = tf.ones([2, 3]);
      expect(() => axpby(1, x, 1, tf.ones([1, 3]))).toThrow(
        new RangeError('x and y must have one shape, not [2,3] and [1,3]'),
      );
      expect(() => axpby(Float64Array.of(1), x, 1, x)).toThrow(
        new RangeError('a must have one number for each example of x: 1 came for x of shape [2,3]'),
      );
      expect(() => axpby(1, x, Float64Array.of(1, 2, 3), x)).toThrow(
        'b must have one number for each example of y: 3 came for y of shape [2,3]',
      );
    });

    it('leaves no tensor behind, whichever numbers it is given', async () => {
      const x = tf.ones([2, 3]);
      const each = Float64Array.of(1, 2);
      for (const a of [0, 1, 0.5, each]) {
        for (const b of [0, 1, 0.5, each]) await expectNoLeak(() => axpby(a, x, b, x));
      }
      await expectNoLeak(() => {
        expect(() => axpby(Float64Array.of(1), x, 1, x)).toThrow(RangeError);
      });
    });
  });

  describe('perExampleTensor', () => {
    it('has each number in float32, rounded once', () => {
      const each = perExampleTensor(Float64Array.of(0.1, 1e-50, 999), 3);
      expect([each.dtype, ...each.shape]).toEqual(['float32', 3]);
      expect([...each.dataSync()]).toEqual([Math.fround(0.1), 0, 999]);
    });

    it('repeats one number for every example, 1 included, in float32', () => {
      const all = perExampleTensor(1, 3);
      expect([all.dtype, ...all.dataSync()]).toEqual(['float32', 1, 1, 1]);
      expect([...perExampleTensor(0.1, 2).dataSync()]).toEqual([Math.fround(0.1), Math.fround(0.1)]);
    });

    it('leaves no tensor behind', async () => {
      await expectNoLeak(() => perExampleTensor(2, 3));
      await expectNoLeak(() => perExampleTensor(Float64Array.of(2, 3), 2));
    });
  });

  describe('checkPerExample', () => {
    const x = () => tf.zeros([2, 3]);

    it('takes a number, and a Float64Array of one for each example', () => {
      expect(() => checkPerExample('t', 5, 'xt', x())).not.toThrow();
      expect(() => checkPerExample('t', Float64Array.of(5, 6), 'xt', x())).not.toThrow();
    });

    it('refuses another length by the name of what it should fit', () => {
      expect(() => checkPerExample('t', Float64Array.of(5), 'xt', x())).toThrow(
        new RangeError('t must have one number for each example of xt: 1 came for xt of shape [2,3]'),
      );
      expect(() => checkPerExample('t', Float64Array.of(5), 'xt', tf.scalar(1))).toThrow(
        new RangeError('t must have one number for each example of xt: 1 came for xt of shape []'),
      );
    });

    it.each([
      ['a tensor of shape [2]', () => tf.tensor1d([1, 2], 'int32')],
      ['an array', () => [1, 2]],
      ['Float32Array', () => Float32Array.of(1, 2)],
      ['Int32Array', () => Int32Array.of(1, 2)],
      ['undefined', () => undefined],
      ['null', () => null],
      ['5', () => '5'],
    ])('refuses %s', (name, make) => {
      expect(() => checkPerExample('t', make() as unknown as number, 'xt', x())).toThrow(
        new TypeError(`t must be a number, or a Float64Array of one for each example, not ${name}`),
      );
    });
  });
});

describe('mapExamples', () => {
  it('maps one number to one, and each of several to its own in float64', () => {
    expect(mapExamples(3, (t) => t / 10)).toBe(0.3);
    expect(mapExamples(Float64Array.of(3, 1), (t) => t / 10)).toEqual(Float64Array.of(0.3, 0.1));
  });

  it('leaves the numbers that it was given as they are', () => {
    const t = Float64Array.of(1, 2);
    mapExamples(t, (one) => one + 1);
    expect(t).toEqual(Float64Array.of(1, 2));
  });
});

describe('zipExamples', () => {
  const minus = (a: number, b: number) => a - b;
  const each = Float64Array.of(3, 1);

  it('is one number where both are', () => expect(zipExamples(3, 5, minus)).toBe(-2));

  it('is one of each example where either is, in the order of the two', () => {
    expect(zipExamples(each, Float64Array.of(1, 5), minus)).toEqual(Float64Array.of(2, -4));
    expect(zipExamples(each, 1, minus)).toEqual(Float64Array.of(2, 0));
    expect(zipExamples(1, each, minus)).toEqual(Float64Array.of(-2, 0));
  });
});
