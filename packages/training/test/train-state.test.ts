import { mapParams, type Params } from '@diffusion-ts/tensor';
import { expectNoLeak, useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { disposeState, initialState, progressOf, restoreState, type TrainState } from '../src/train-state.js';
import { numbersOf } from './toy.js';

beforeAll(() => useBackend('cpu'));

const tree = (value: number): Params => ({ b: tf.fill([2], value), a: tf.fill([1, 3], value) });

test('the first state has the parameters, moments of zero and no average', () => {
  const state = initialState(tree(5));
  expect(numbersOf(state)).toEqual({
    'params a': [5, 5, 5],
    'params b': [5, 5],
    'm a': [0, 0, 0],
    'm b': [0, 0],
    'v a': [0, 0, 0],
    'v b': [0, 0],
  });
  expect(progressOf(state)).toEqual({ step: 0, lossHistory: [] });
  disposeState(state);
});

test('a state comes back from its trees and its JSON, whatever the order that a file had', () => {
  const state: TrainState = {
    ...initialState(tree(1)),
    step: 12,
    ema: tree(2),
    lossHistory: [[0.1, Math.fround(0.3)], []],
  };
  const reversed = (params: Params): Params => Object.fromEntries(Object.entries(params).toReversed());
  const { params, ema, m, v } = state;
  const restored = restoreState(
    { params: reversed(params), ema: reversed(ema!), m: reversed(m), v: reversed(v) },
    JSON.parse(JSON.stringify(progressOf(state))),
  );
  expect(numbersOf(restored)).toEqual(numbersOf({ ...state, ema: restored.ema! }));
  expect(Object.keys(restored.params)).toEqual(Object.keys(params));
  expect(progressOf(restored)).toEqual(progressOf(state));
  disposeState(state);
});

test('trees that do not fit and progress that is none are refused', () => {
  const state = initialState(tree(1));
  const { params, m, v } = state;
  const progress = progressOf(state);
  expect(() => restoreState({ params, m: { a: m.a! }, v }, progress)).toThrow(
    /"b" is in the first tree only/,
  );
  const misshapen = mapParams(v, (tensor) => tf.reshape(tensor, [-1, 1]));
  expect(() => restoreState({ params, m, v: misshapen }, progress)).toThrow(
    'v: "a" must have shape [1,3], not [3,1]',
  );
  for (const bad of [null, 7, {}, { step: -1, lossHistory: [] }, { step: 1.5, lossHistory: [] }]) {
    expect(() => restoreState({ params, m, v }, bad)).toThrow(/progress/);
  }
  expect(() => restoreState({ params, m, v }, { step: 1, lossHistory: [[null]] })).toThrow(
    /lossHistory must be/,
  );
  disposeState(state);
});

test('disposing a state leaves nothing behind', () =>
  expectNoLeak(() => disposeState({ ...initialState(tree(1)), ema: tree(2) })));
