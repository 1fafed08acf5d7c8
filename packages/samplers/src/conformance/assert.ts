import * as tf from '@tensorflow/tfjs-core';

/** @throws Error with this sentence, unless it holds. */
export function assert(holds: boolean, sentence: string): asserts holds {
  if (!holds) throw new Error(sentence);
}

/** @throws Error if a number is further from what is expected than `absolute` + `relative` of that. */
export function assertClose(
  what: string,
  actual: readonly number[],
  expected: readonly number[],
  { relative = 1e-4, absolute = 2e-5 }: { relative?: number; absolute?: number } = {},
): void {
  assert(
    actual.length === expected.length,
    `${what} has ${actual.length} numbers, expected ${expected.length}`,
  );
  for (const [i, x] of actual.entries()) {
    const near = Math.abs(x - expected[i]!) <= absolute + relative * Math.abs(expected[i]!);
    assert(near, `${what}: number ${i} is ${x}, expected ${expected[i]}`);
  }
}

/** @throws Error unless `f` throws what `isRight` says is right, at once or later. */
export async function assertThrows(
  what: string,
  f: () => unknown,
  isRight: (error: unknown) => boolean,
): Promise<void> {
  let thrown: unknown;
  try {
    await f();
  } catch (error) {
    assert(isRight(error), `${what}, but it failed otherwise: ${error}`);
    thrown = error;
  }
  assert(thrown !== undefined, `${what}, but it did not fail`);
}

/** @throws Error if there are other tensors after `f` than before, which frees what it makes; once it may fill caches. */
export async function assertNoLeak(what: string, f: () => unknown): Promise<void> {
  await f();
  const before = tf.memory().numTensors;
  await f();
  const left = tf.memory().numTensors - before;
  assert(left === 0, `${what} leaves ${left} tensors behind`);
}
