import { mapParams, type Params, rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { type AdamWStepOptions, type AdamWStepResult, adamWStep } from '../../src/index.js';
import { type Array64, array64, normal, toTensor } from './reference.js';

type Tree = Record<string, Array64>;
type State = Pick<AdamWStepResult, 'params' | 'm' | 'v' | 'ema'>;

const shapes: Record<string, number[]> = {
  'conv.weight': [3, 3, 2, 5],
  'conv.bias': [5],
  scalar: [],
  'linear.weight': [7, 4],
};
const recipe = { learningRate: 0.01, betas: [0.9, 0.99] as const, epsilon: 1e-8, weightDecay: 0.1 };

/** Declares the tests of `adamWStep` on the active backend. */
export function adamWConforms(): void {
  describe('adamWStep', () => {
    it.each([
      ['without clipping or average', undefined, undefined],
      ['with gradients clipped to a norm', 1, undefined],
      ['with a norm that no gradient reaches', 1000, undefined],
      ['with clipping and an average', 1, 0.9],
    ])('takes five steps as its equations do, %s', (_name, maxGradNorm, decay) => {
      const reference = start(decay);
      let state = toTensors(reference);
      for (let step = 1; step <= 5; step++) {
        const grads = tree((shape, i) => normal(100 * step + i, shape));
        takeStep(reference, grads, step, maxGradNorm, decay);
        const tensors = toParams(grads);
        const { norms, ...next } = run(state, tensors, step, maxGradNorm, decay);
        expect(norms.shape).toEqual([2]);
        expectAllClose(norms, [normOf(grads), normOf(reference.params!)]);
        dispose(state, tensors, norms);
        state = next;
      }
      for (const [part, arrays] of Object.entries(reference)) {
        for (const [name, array] of Object.entries(arrays)) {
          const actual = state[part as keyof State]![name]!;
          expect(actual.shape).toEqual(array.shape);
          expectAllClose(actual, array.values, { relative: 2e-5, absolute: 1e-7 });
        }
      }
      dispose(state);
    });

    it('moves each parameter by the learning rate in the first step, against its gradient', () => {
      const state = toTensors(start());
      const { params, m, v } = state;
      const next = adamWStep({ params, grads: params, m, v, ...recipe, weightDecay: 0, step: 1 });
      for (const name of Object.keys(shapes)) {
        const before = params[name]!.dataSync();
        expectAllClose(
          next.params[name]!,
          before.map((p) => p - recipe.learningRate * Math.sign(p)),
          { relative: 1e-5 },
        );
      }
      dispose(state, next);
    });

    it('leaves everything it was given as it was, so that a step can be refused', () => {
      const state = toTensors(start(0.9));
      const grads = toParams(tree((shape) => array64(shape, normal(1, shape).values.fill(Number.NaN, 0, 1))));
      const numbers = (): number[][] =>
        Object.values(state).flatMap((part: Params) => Object.values(part).map((t) => [...t.dataSync()]));
      const before = numbers();
      const result = run(state, grads, 1, 1, 0.9);
      expect([...result.norms.dataSync()]).toEqual([Number.NaN, Number.NaN]);
      expect(numbers()).toEqual(before);
      dispose(state, grads, result);
    });

    it.each<[string, number[][], number]>([
      ['is the root of one square that float32 holds', [[1.8e19]], 1.8e19],
      ['is infinite where one square overflows', [[1.9e19]], Infinity],
      ['is infinite where the squares of one tensor overflow together', [[1.5e19, 1.5e19]], Infinity],
      ['is infinite where the squares of two tensors overflow together', [[1.5e19], [1, -1.5e19]], Infinity],
      ['is infinite where a number is', [[1], [0, -Infinity]], Infinity],
      ['is NaN where a number is', [[Infinity], [Number.NaN, 1]], Number.NaN],
    ])('returns a norm that %s, of gradients and of new parameters alike', (_name, values, expected) => {
      tf.tidy(() => {
        const large = vectors(values);
        const small = vectors(values.map((part) => part.map(() => 1)));
        const [ofGrads] = still({ params: small, grads: large }).norms.dataSync();
        const [, ofParams] = still({ params: large, grads: small }).norms.dataSync();
        expectAllClose([ofGrads!, ofParams!], [expected, expected]);
      });
    });

    it('returns norms of a hundred thousand numbers that are right to six digits', () => {
      tf.tidy(() => {
        const [params, grads] = [normal(1, [100_003]), normal(2, [100_003])].map((p) => ({ p }));
        const { norms } = still({ params: toParams(params!), grads: toParams(grads!) });
        expectAllClose(norms, [normOf(grads!), normOf(params!)], { relative: 1e-6 });
      });
    });

    it('counts nothing beyond the end of a tensor, even where epsilon is a denormal number of float32', () => {
      tf.tidy(() => {
        const params = vectors([[3], [0, 0, 0, 0, 4]]);
        const { norms } = still({ params, grads: vectors([[1], [1, 1, 1, 1, 1]]), epsilon: 1e-40 });
        expectAllClose(norms, [Math.sqrt(6), 5]);
      });
    });

    it.each([0, 0.9, 0.99, 0.999, 0.9999, 1])(
      'leaves an average at %d that equals its parameter as it is, to the bit, and so for any number of steps',
      (decay) => {
        tf.tidy(() => {
          const params = { p: tf.mul(rng(1).normal([4001]), tf.exp(rng(2).normal([4001]))) };
          const next = still({ params, grads: params, ema: { params, decay } });
          expect(next.params.p!.dataSync()).toEqual(params.p.dataSync());
          expect(next.ema!.p!.dataSync()).toEqual(params.p.dataSync());
        });
      },
    );

    it('averages a parameter that moves, at 0.9999, with no drift that would come to 1e-5 in 2·10⁵ steps', () => {
      const [decay, steps, size] = [0.9999, 1000, 64];
      const centre = normal(1, [size]).values.map((x) => 1 + 0.2 * x);
      const moves = normal(2, [101, size]).values;
      const at = (step: number): Float32Array =>
        Float32Array.from(centre, (c, i) => c * (1 + 0.05 * moves[(step % 101) * size + i]!));
      const expected = Float64Array.from(at(0));
      let ema: Params = { p: tf.tensor1d(at(0)) };
      for (let step = 1; step <= steps; step++) {
        const params = { p: tf.tensor1d(at(step)) };
        const { ema: next, ...others } = still({ params, grads: params, ema: { params: ema, decay } });
        at(step).forEach((p, i) => {
          expected[i]! += (1 - decay) * (p - expected[i]!);
        });
        dispose(ema, params, others);
        ema = next!;
      }
      const actual = ema.p!.dataSync();
      const drift = expected.reduce((sum, e, i) => sum + (actual[i]! / e - 1) / size, 0);
      // What is off by a share of each step is off by 1 − decayⁿ of its last value after n steps.
      expect(Math.abs(drift)).toBeLessThan(1e-5 * (1 - decay ** steps));
      expectAllClose(actual, expected, { relative: 1e-5, absolute: 0 });
      dispose(ema);
    });

    it('moves an average at 0.9999 towards a constant parameter until it is within 6e-4, where float32 stands still', () => {
      tf.tidy(() => {
        const size = 4001;
        const [decay, p] = [0.9999, rng(1).normal([size])];
        // From 1 down to 1e-7, above and below.
        const offset = Float32Array.from({ length: size }, (_, i) => (-1) ** i * 10 ** ((-7 * i) / size));
        const ema = tf.mul(p, tf.add(1, offset));
        const next = still({ params: { p }, grads: { p }, ema: { params: { p: ema }, decay } });
        const [end, before, after] = [p, ema, next.ema!.p!].map((tensor) => tensor.dataSync());
        end!.forEach((x, i) => {
          const [far, near] = [Math.abs(x - before![i]!), Math.abs(x - after![i]!)];
          const still = far <= 6e-4 * Math.abs(before![i]!);
          expect(near < far || (still && near === far), `${before![i]} towards ${x}`).toBe(true);
        });
      });
    });

    it('shares no tensor with what it was given', () => {
      const state = toTensors(start(0.9));
      const result = run(state, state.params, 1, 1, 0.9);
      dispose(state);
      expect([...result.params['conv.bias']!.dataSync()].every(Number.isFinite)).toBe(true);
      dispose(result);
    });

    it('leaves no tensor behind', async () => {
      const state = toTensors(start(0.9));
      await expectNoLeak(() => run(state, state.params, 1, 1, 0.9));
      dispose(state);
    });
  });
}

function run(
  { params, m, v, ema }: State,
  grads: Params,
  step: number,
  maxGradNorm: number | undefined,
  decay: number | undefined,
): AdamWStepResult {
  return adamWStep({
    params,
    grads,
    m,
    v,
    step,
    ...recipe,
    ...(maxGradNorm !== undefined && { maxGradNorm }),
    ...(ema && decay !== undefined && { ema: { params: ema, decay } }),
  });
}

/** A first step that leaves the parameters as they are. */
function still(
  options: Pick<AdamWStepOptions, 'params' | 'grads'> & Partial<AdamWStepOptions>,
): AdamWStepResult {
  const zeros = mapParams(options.params, (p) => tf.zerosLike(p));
  const result = adamWStep({
    ...{ m: zeros, v: zeros, step: 1, ...recipe, learningRate: 0 },
    ...options,
  });
  dispose(zeros);
  return result;
}

function vectors(values: number[][]): Params {
  return Object.fromEntries(values.map((part, i) => [`p${i}`, tf.tensor1d(part)]));
}

/** The norm of all arrays together. */
function normOf(arrays: Tree): number {
  const squares = Object.values(arrays).flatMap(({ values }) => Array.from(values, (x) => x * x));
  return Math.sqrt(squares.reduce((a, b) => a + b, 0));
}

/** The equations in float64, in place. */
function takeStep(
  state: Record<string, Tree>,
  grads: Tree,
  step: number,
  maxGradNorm = Number.POSITIVE_INFINITY,
  decay = 0,
): void {
  const { learningRate, betas, epsilon, weightDecay } = recipe;
  const factor = Math.min(1, maxGradNorm / (normOf(grads) + 1e-6));
  for (const [name, { values }] of Object.entries(grads)) {
    const [p, m, v, ema] = ['params', 'm', 'v', 'ema'].map((part) => state[part]?.[name]?.values);
    values.forEach((gradient, i) => {
      const g = gradient * factor;
      m![i] = betas[0] * m![i]! + (1 - betas[0]) * g;
      v![i] = betas[1] * v![i]! + (1 - betas[1]) * g * g;
      const mean = m![i]! / (1 - betas[0] ** step);
      const square = v![i]! / (1 - betas[1] ** step);
      p![i] =
        p![i]! * (1 - learningRate * weightDecay) - (learningRate * mean) / (Math.sqrt(square) + epsilon);
      if (ema) ema[i] = decay * ema[i]! + (1 - decay) * p![i]!;
    });
  }
}

function start(decay?: number): Record<string, Tree> {
  return {
    params: tree((shape, i) => normal(i, shape)),
    m: tree((shape) => array64(shape)),
    v: tree((shape) => array64(shape)),
    ...(decay !== undefined && { ema: tree((shape, i) => normal(i + 50, shape)) }),
  };
}

function tree(f: (shape: number[], i: number) => Array64): Tree {
  return Object.fromEntries(Object.entries(shapes).map(([name, shape], i) => [name, f(shape, i)]));
}

function toParams(arrays: Tree): Params {
  return Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, toTensor(array)]));
}

function toTensors(state: Record<string, Tree>): State {
  const parts = Object.entries(state).map(([part, arrays]) => [part, toParams(arrays)]);
  return Object.fromEntries(parts) as State;
}

function dispose(...containers: unknown[]): void {
  tf.dispose(containers as tf.TensorContainer);
}
