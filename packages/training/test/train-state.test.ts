import { mapParams, type Params } from '@diffusion-ts/tensor';
import { expectNoLeak, useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { disposeState, initialState, progressOf, restoreState, type TrainState } from '../src/train-state.js';
import { numbersOf } from './toy.js';

beforeAll(() => useBackend('cpu'));

const tree = (value: number): Params => ({ b: tf.fill([2], value), a: tf.fill([1, 3], value) });

const state = (slots: readonly string[]): TrainState => ({
  ...initialState(tree(1)),
  step: 12,
  ema: tree(2),
  slots: Object.fromEntries(slots.map((name, i) => [name, tree(3 + i)])),
  lossHistory: [[0.1, Math.fround(0.3)], []],
});

test('the first state has the parameters in the order of their names, no slots and no average', () => {
  const first = initialState(tree(5));
  expect(numbersOf(first)).toEqual({ 'params a': [5, 5, 5], 'params b': [5, 5] });
  expect(Object.keys(first.params)).toEqual(['a', 'b']);
  expect(first.slots).toEqual({});
  expect(progressOf(first)).toEqual({ step: 0, lossHistory: [] });
  disposeState(first);
});

for (const slots of [['m', 'v'], ['velocity'], []]) {
  test(`a state with the slots [${slots}] comes back from its trees and its JSON, whatever the order that a file had`, () => {
    const whole = state(slots);
    const reversed = ({ a, b }: Params): Params => ({ b: b!, a: a! });
    const restored = restoreState(
      {
        params: reversed(whole.params),
        ema: reversed(whole.ema!),
        slots: Object.fromEntries(Object.entries(whole.slots).map(([name, tree]) => [name, reversed(tree)])),
      },
      JSON.parse(JSON.stringify(progressOf(whole))),
    );
    expect(numbersOf(restored)).toEqual(numbersOf(whole));
    expect(Object.keys(restored.slots)).toEqual(slots);
    for (const params of [restored.params, restored.ema!, ...Object.values(restored.slots)]) {
      expect(Object.keys(params)).toEqual(['a', 'b']);
    }
    expect(progressOf(restored)).toEqual(progressOf(whole));
    disposeState(restored);
  });
}

test('trees that do not fit and progress that is none are refused', () => {
  const whole = state(['m', 'v']);
  const { params, ema, slots } = whole;
  const progress = progressOf(whole);
  const refusal = (trees: Partial<typeof whole>): (() => unknown) => {
    return () => restoreState({ params, slots, ...trees }, progress);
  };
  const { a, ...short } = slots.m!;
  expect(refusal({ slots: { ...slots, m: short } })).toThrow(new RangeError('m: "a" is missing'));
  const misshapen = mapParams(slots.v!, (tensor) => tf.reshape(tensor, [-1, 1]));
  expect(refusal({ slots: { ...slots, v: misshapen } })).toThrow(
    new RangeError('v: "a" must have shape [1,3], not [3,1]'),
  );
  expect(refusal({ ema: { ...ema!, c: a! } })).toThrow(
    new RangeError('ema: "c" is not among those expected'),
  );
  for (const bad of [null, 7, {}, { step: -1, lossHistory: [] }, { step: 1.5, lossHistory: [] }]) {
    expect(() => restoreState({ params, slots }, bad)).toThrow(/^progress/);
  }
  for (const lossHistory of [[[null]], [[Number.NaN]], [1], 'none', undefined]) {
    expect(() => restoreState({ params, slots }, { step: 1, lossHistory })).toThrow(
      new RangeError('progress.lossHistory must be a list of lists of numbers'),
    );
  }
  disposeState(whole);
});

test('disposing a state leaves nothing behind', () => expectNoLeak(() => disposeState(state(['m', 'v']))));
