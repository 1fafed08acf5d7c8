import { expect, it } from 'vitest';
import {
  continuous,
  fromAlphaBars,
  fromBetas,
  linear,
  rescaleToZeroTerminalSnr,
  sections,
  times,
} from '../src/index.js';

// What JavaScript lets through, refused by the name of the argument.
const any = <T>(value: unknown): T => value as T;

it.each([
  [() => fromBetas(any(5)), 'betas is 5, expected a list of numbers'],
  [() => fromBetas(any({ steps: 5 })), 'betas is an object, expected a list of numbers'],
  [() => fromBetas(any([0.5, '1'])), 'betas[1] is "1", expected a number'],
  [() => times(any('5')), 'times is "5", expected a list of numbers'],
  [() => sections(any(5)), 'counts is 5, expected a list of numbers'],
  [() => continuous(any([1])), 'logSnr is a list, expected a function of u in [0, 1]'],
  [() => fromAlphaBars(any(undefined), { steps: 3 }), 'f is undefined, expected a function of u in [0, 1]'],
  [
    () => rescaleToZeroTerminalSnr(any({ steps: '5' })),
    'schedule is an object, expected one of steps, such as linear({ steps: 1000 })',
  ],
])('%s is refused', (call, message) => {
  expect(call).toThrow(new TypeError(message));
});

it('lists may be of any kind', () => {
  expect(fromBetas(Float32Array.of(0.5)).steps).toBe(1);
  expect([...times(Int32Array.of(3, 1))(linear({ steps: 1000 }))]).toEqual([3, 1, -1]);
});

it.each([['5'], [[1]], [undefined], [Number.NaN]])(
  'a time that is no number is none of a schedule: %j',
  (t) => {
    expect(() => linear({ steps: 50 }).level(any(t))).toThrow(
      /^t is .*, expected a time of the schedule, -1 … 49$/,
    );
  },
);
