import { type Params, rng } from '@diffusion-ts/tensor';
import { expectAllClose, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import {
  type AdamWOptions,
  adamW,
  constantDecay,
  disposeState,
  initialState,
  type Optimizer,
  type TrainOptions,
  trainStep,
  warmedUpDecay,
} from '../src/index.js';
import { momentum } from './momentum.js';
import { numbersOf, records, through, toyOptions, toyParams } from './toy.js';

/** Σ w over examples of a network that is its one parameter: each gradient is 1/2, however often it is asked. */
const slope: Partial<TrainOptions> = {
  reverse: through((_, params) => (xt) => tf.mul(tf.onesLike(xt), params.w!)),
  loss: ({ reverse, x0, t }) => {
    const evaluation = reverse.evaluate(x0, t);
    if (evaluation instanceof Promise) throw new Error('not at once');
    return { perExample: tf.mean(evaluation.prediction, 1) as tf.Tensor1D };
  },
};

onEachBackend(() => {
  test('an optimizer of one’s own, gradient descent with momentum, trains', async () => {
    const state = initialState({ w: tf.tensor1d([2, -3]) });
    const optimizer = momentum(0.5);
    const [first, second] = await records(toyOptions(state, { ...slope, optimizer, steps: 2 }));
    // v₁ = ½, v₂ = ¼ + ½; the rate is 0.01.
    expectAllClose(state.params.w!, [2 - 0.01 * 1.25, -3 - 0.01 * 1.25], { relative: 1e-6 });
    expectAllClose(state.slots.velocity!.w!, [0.75, 0.75], { relative: 1e-6 });
    expect(first!.gradNorm).toBeCloseTo(Math.SQRT1_2, 6);
    expect(second!.gradNorm).toBeCloseTo(Math.SQRT1_2, 6);
    disposeState(state);

    const toy = initialState(toyParams());
    const losses = (await records(toyOptions(toy, { optimizer: momentum(0.9), steps: 150 }))).map(
      ({ loss }) => loss,
    );
    const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
    expect(mean(losses.slice(-50))).toBeLessThan(0.8 * mean(losses.slice(0, 20)));
    disposeState(toy);
  });

  test('the moving average is advanced for an optimizer that leaves it alone, as AdamW advances its own', async () => {
    const state = initialState(toyParams());
    const ema = warmedUpDecay(0.5);
    let average = numbersOf(state)['params hidden.weight']!;
    for (let s = 0; s < 3; s++) {
      await records(toyOptions(state, { ema, optimizer: momentum(0.9), steps: s + 1 }));
      const weights = numbersOf(state)['params hidden.weight']!;
      average = average.map((value, i) => value + (1 - ema(s, 8)) * (weights[i]! - value));
      expectAllClose(state.ema!['hidden.weight']!, average, { relative: 1e-5, absolute: 1e-6 });
    }
    disposeState(state);

    const [fused, left] = [adamW(), adamW()].map(
      (optimizer, i): [Optimizer, ReturnType<typeof initialState>] => [
        i === 0
          ? optimizer
          : {
              ...optimizer,
              update: ({ ema: _, ...step }) => optimizer.update(step),
            },
        initialState(toyParams()),
      ],
    );
    for (const [optimizer, own] of [fused!, left!]) {
      await records(toyOptions(own, { ema: constantDecay(0.9), optimizer }));
    }
    const expected = numbersOf(fused![1]);
    for (const [name, values] of Object.entries(numbersOf(left![1]))) {
      expectAllClose(values, expected[name]!, { relative: 1e-6, absolute: 1e-7 });
    }
    disposeState(fused![1]);
    disposeState(left![1]);
  });

  test('the number of tensors is the same after every step of an optimizer of one’s own, and nothing is left', async () => {
    const before = tf.memory().numTensors;
    const state = initialState(toyParams());
    const counts: number[] = [];
    for (let s = 0; s < 3; s++) {
      const ema = constantDecay(0.9);
      await records(toyOptions(state, { optimizer: momentum(0.9), ema, steps: s + 1 }));
      counts.push(tf.memory().numTensors - before);
    }
    expect(counts).toEqual([9, 9, 9]);
    disposeState(state);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('an optimizer without slots, one that keeps the gradients and one that leaves weights as they are need no copies', async () => {
    const before = tf.memory().numTensors;
    const state = initialState(toyParams());
    const { update } = momentum(0);
    const frozen = state.params['hidden.weight']!;
    const bias = numbersOf(state)['params hidden.bias'];
    const optimizer: Optimizer = {
      init: () => ({}),
      update(step) {
        const zeros = Object.fromEntries(
          Object.entries(step.params).map(([name, tensor]) => [name, tf.zerosLike(tensor)]),
        );
        const result = update({ ...step, slots: { velocity: zeros } });
        const params: Params = { ...result.params, 'hidden.weight': step.params['hidden.weight']! };
        return { params, slots: { last: step.grads }, norms: result.norms };
      },
    };
    await records(toyOptions(state, { optimizer, steps: 3 }));
    expect(state.params['hidden.weight']).toBe(frozen);
    expect(frozen.isDisposed).toBe(false);
    expect(numbersOf(state)['params hidden.bias']).not.toEqual(bias);
    expect(numbersOf(state)['last hidden.bias']!.some((value) => value !== 0)).toBe(true);
    expect(tf.memory().numTensors).toBe(before + 6);
    disposeState(state);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('norms that are not two, and the slots of another optimizer, are refused, and nothing is left behind', async () => {
    const state = initialState(toyParams());
    await records(toyOptions(state, { optimizer: momentum(0.9), steps: 1 }));
    const good = numbersOf(state);
    const before = tf.memory().numTensors;
    const { init, update } = momentum(0.9);
    const one: Optimizer = { init, update: (step) => ({ ...update(step), norms: tf.tensor1d([1]) }) };
    await expect(records(toyOptions(state, { optimizer: one }))).rejects.toThrow(
      new RangeError(
        'the optimizer must return the norms of the gradients and of the new parameters, [2], not [1]',
      ),
    );
    await expect(records(toyOptions(state))).rejects.toThrow(
      new TypeError('adamW needs the slots m and v, but the state has velocity, those of another optimizer'),
    );
    expect(numbersOf(state)).toEqual(good);
    expect(tf.memory().numTensors).toBe(before);
    disposeState(state);
  });

  test('AdamW clips to maxGradNorm, and what a record shows is the norm before', async () => {
    const [free, clipped] = [initialState(toyParams()), initialState(toyParams())];
    const options = toyOptions(free, { steps: 1 });
    const batch = { x0: rng(1).normal([8, 2]) };
    const { gradNorm } = await trainStep(free, batch, options);
    const record = await trainStep(clipped, batch, { ...options, optimizer: adamW({ maxGradNorm: 0.25 }) });
    expect(record.gradNorm).toBe(gradNorm);
    const scale = Math.min(1, 0.25 / (gradNorm + 1e-6));
    const whole = numbersOf(free);
    for (const [name, values] of Object.entries(numbersOf(clipped)).filter(([name]) =>
      name.startsWith('m '),
    )) {
      expectAllClose(
        values,
        whole[name]!.map((value) => scale * value),
        { relative: 1e-5, absolute: 1e-9 },
      );
    }
    batch.x0.dispose();
    disposeState(free);
    disposeState(clipped);
  });
});

for (const [options, message] of [
  [{ betas: [1, 0.999] }, 'betas[0] must be in [0, 1), not 1'],
  [{ betas: [0.9, 1] }, 'betas[1] must be in [0, 1), not 1'],
  [{ betas: [0.9, Number.NaN] }, 'betas[1] must be in [0, 1), not NaN'],
  [{ betas: [-0.1, 0.9] }, 'betas[0] must be in [0, 1), not -0.1'],
  [{ epsilon: 0 }, 'epsilon must be a positive finite number of float32, not 0'],
  [{ epsilon: 1e-300 }, 'epsilon must be a positive finite number of float32, not 1e-300'],
  [{ epsilon: Infinity }, 'epsilon must be a positive finite number of float32, not Infinity'],
  [{ weightDecay: Number.NaN }, 'weightDecay must be a finite number from 0 up, not NaN'],
  [{ weightDecay: -1 }, 'weightDecay must be a finite number from 0 up, not -1'],
  [{ maxGradNorm: 0 }, 'maxGradNorm must be positive, not 0'],
  [{ maxGradNorm: Number.NaN }, 'maxGradNorm must be positive, not NaN'],
] satisfies [AdamWOptions, string][]) {
  test(`adamW(${Object.entries(options).map(([name, value]) => `${name}: ${value}`)}) is refused when it is made`, () => {
    expect(() => adamW(options as AdamWOptions)).toThrow(new RangeError(message));
  });
}
