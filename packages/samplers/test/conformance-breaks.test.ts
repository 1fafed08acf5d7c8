import type { Times } from '@diffusion-ts/schedules';
import { axpby, finish } from '@diffusion-ts/tensor';
import { useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { conformance, type Subject } from '../src/conformance/index.js';
import { euler, eulerAncestral, fromSolver, type Sampler } from '../src/index.js';

beforeAll(() => useBackend('cpu'));

/** The promises among those with these words that a subject breaks, and how. */
async function broken(subject: Subject, words: RegExp): Promise<string[]> {
  const found: string[] = [];
  for (const { name, run } of conformance(subject).filter(({ name }) => words.test(name)))
    await run().catch((error: Error) => found.push(`${name}: ${error.message}`));
  return found;
}

/** Euler's sampler whose every result goes through `f`. */
const after =
  (f: (x0: tf.Tensor) => tf.Tensor) =>
  (times: Times): Sampler =>
    async function* (...run) {
      const x0 = yield* euler({ times })(...run);
      return f(x0);
    };

for (const [what, make, words, said] of [
  [
    'leaves a tensor behind',
    after((x0) => tf.clone(x0)),
    /at once, a finished run/,
    /a finished run leaves 1 tensors behind$/,
  ],
  [
    'mixes the examples up',
    after((x0) => tf.reverse(x0, 0)),
    /zero terminal SNR, exact data end where/,
    /it is [\d.]+ from where the flow ends, expected less than 0.3$/,
  ],
  [
    'goes too far',
    (times: Times) => fromSolver(({ x, x0, to }) => axpby(0.5, x, to.alpha, x0), { times }),
    /straight path.*one step ends/,
    /the end: number 0 is .*, expected/,
  ],
  [
    'shows nothing of its steps',
    (times: Times): Sampler =>
      async function* (...run) {
        yield* [];
        return finish(euler({ times })(...run));
      },
    /a step shows/,
    /it took 0 steps instead of 3$/,
  ],
  [
    'starts before it looks at its times',
    (times: Times): Sampler =>
      async function* (...run) {
        return yield* euler({ times })(...run);
      },
    /times that rise/,
    /times that rise must be refused, but it did not fail$/,
  ],
  [
    'draws in secret',
    (times: Times): Sampler =>
      (reverse, xT, options) => {
        options?.rng?.normal([1]).dispose();
        return euler({ times })(reverse, xT, options);
      },
    /draws nothing/,
    /it drew$/,
  ],
] as const)
  test(`a sampler that ${what} is found out`, async () => {
    expect(await broken({ make: works, error: 0.3 }, words), 'of one that does not').toEqual([]);
    const found = await broken({ make, error: 0.3 }, words);
    expect(found).toEqual([expect.stringMatching(said)]);
  });

function works(times: Times): Sampler {
  return euler({ times });
}

test('a sampler whose noise is that of the batch is found out', async () => {
  const make = (times: Times): Sampler =>
    fromSolver(
      ({ x, x0, to, rng }) =>
        tf.add(tf.mul(to.alpha, x0), tf.mul(to.sigma, tf.sum(rng.normal(x.shape), 0, true))),
      { times, draws: true },
    );
  const alone = /^example i is the same/;
  expect(
    await broken({ make: (times) => eulerAncestral({ times }), draws: true, error: 0.3 }, alone),
  ).toEqual([]);
  expect(await broken({ make, draws: true, error: 0.3 }, alone)).toEqual([
    expect.stringMatching(/an example: number \d+ is .*, expected/),
  ]);
});
