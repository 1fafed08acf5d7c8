import type { Params } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { type AdamWResult, adamW } from '../../src/index.js';
import { type Array64, array64, normal, toTensor } from './reference.js';

type Tree = Record<string, Array64>;
type State = Pick<AdamWResult, 'params' | 'm' | 'v' | 'ema'>;

const shapes: Record<string, number[]> = {
  'conv.weight': [3, 3, 2, 5],
  'conv.bias': [5],
  scalar: [],
  'linear.weight': [7, 4],
};
const recipe = { learningRate: 0.01, betas: [0.9, 0.99] as const, epsilon: 1e-8, weightDecay: 0.1 };

/** Declares the tests of `adamW` on the active backend. */
export function adamWConforms(): void {
  describe('adamW', () => {
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
        const norm = takeStep(reference, grads, step, maxGradNorm, decay);
        const tensors = toParams(grads);
        const { gradNorm, ...next } = run(state, tensors, step, maxGradNorm, decay);
        expect(gradNorm.shape).toEqual([]);
        expectAllClose(gradNorm, norm);
        dispose(state, tensors, gradNorm);
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
      const next = adamW({ params, grads: params, m, v, ...recipe, weightDecay: 0, step: 1 });
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
      expect(result.gradNorm.dataSync()[0]).toBeNaN();
      expect(numbers()).toEqual(before);
      dispose(state, grads, result);
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
): AdamWResult {
  return adamW({
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

/** The equations in float64, in place. */
function takeStep(
  state: Record<string, Tree>,
  grads: Tree,
  step: number,
  maxGradNorm = Number.POSITIVE_INFINITY,
  decay = 0,
): number {
  const { learningRate, betas, epsilon, weightDecay } = recipe;
  const squares = Object.values(grads).flatMap(({ values }) => [...values].map((g) => g * g));
  const norm = Math.sqrt(squares.reduce((a, b) => a + b, 0));
  const factor = Math.min(1, maxGradNorm / (norm + 1e-6));
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
  return norm;
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
