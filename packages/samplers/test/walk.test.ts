import { onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { type Move, walk } from '../src/walk.js';

const timesteps = Float64Array.of(0, 10, 20);
const double: Move = (xt) => ({ x0: tf.neg(xt), next: tf.mul(xt, 2) });

onEachBackend(() => {
  test('the moves follow one another, and each step shows the sample before the move', async () => {
    const start = tf.tensor2d([[1], [2]]);
    const shown: unknown[] = [];
    const run = walk(start, [2, 1, 0], timesteps, undefined, double);
    for (;;) {
      const { done, value } = await run.next();
      if (done) {
        expect(Array.from(value.dataSync())).toEqual([8, 16]);
        value.dispose();
        break;
      }
      shown.push([value.t, value.index, value.total, value.xt.dataSync()[0], value.x0.dataSync()[0]]);
    }
    expect(shown).toEqual([
      [20, 0, 3, 1, -1],
      [10, 1, 3, 2, -2],
      [0, 2, 3, 4, -4],
    ]);
    expect(Array.from(start.dataSync()), 'the start remains').toEqual([1, 2]);
    start.dispose();
  });

  test('the tensors of a step live until the generator is resumed, and no longer', async () => {
    const start = tf.ones([1, 1]);
    const run = walk(start, [1, 0], timesteps, undefined, double);
    const first = (await run.next()).value;
    if (first instanceof tf.Tensor || first === undefined) throw new Error('a step was expected');
    expect([first.xt.isDisposed, first.x0.isDisposed]).toEqual([false, false]);
    await run.next();
    expect([first.xt.isDisposed, first.x0.isDisposed]).toEqual([true, true]);
    await run.return(start);
    start.dispose();
  });

  test('leaving early, aborting and a failing network free everything', async () => {
    const start = tf.ones([2, 3]);
    const before = tf.memory().numTensors;

    for await (const step of walk(start, [2, 1, 0], timesteps, undefined, double))
      if (step.index === 1) break;
    expect(tf.memory().numTensors).toBe(before);

    const controller = new AbortController();
    const reason = new Error('enough');
    const aborted = async (): Promise<void> => {
      for await (const step of walk(start, [2, 1, 0], timesteps, controller.signal, double)) {
        if (step.index === 1) controller.abort(reason);
      }
    };
    await expect(aborted()).rejects.toBe(reason);
    expect(tf.memory().numTensors).toBe(before);

    const failing: Move = (xt, t, index, earlier) => {
      if (index === 1) throw new Error('no network');
      return double(xt, t, index, earlier);
    };
    const failed = async (): Promise<void> => {
      for await (const _ of walk(start, [2, 1, 0], timesteps, undefined, failing));
    };
    await expect(failed()).rejects.toThrow('no network');
    expect(tf.memory().numTensors).toBe(before);
    start.dispose();
  });

  test('a move sees as many earlier predictions of x_0 as are remembered, the newest first', async () => {
    const start = tf.tensor2d([[1]]);
    const seen: number[][] = [];
    const before = tf.memory().numTensors;
    const remembering: Move = (xt, t, index, earlier) => {
      seen.push(earlier.map((x0) => x0.dataSync()[0]!));
      return double(xt, t, index, earlier);
    };
    for await (const { index } of walk(start, [2, 1, 0, 0], timesteps, undefined, remembering, 2))
      if (index === 3) break;
    expect(seen).toEqual([[], [-1], [-2, -1], [-4, -2]]);
    expect(tf.memory().numTensors).toBe(before);
    start.dispose();
  });

  test('a signal that was aborted before the start prevents the first evaluation', async () => {
    const start = tf.ones([1, 1]);
    let moves = 0;
    const run = walk(start, [0], timesteps, AbortSignal.abort(new Error('no')), (xt, t, index, earlier) => {
      moves += 1;
      return double(xt, t, index, earlier);
    });
    await expect(run.next()).rejects.toThrow('no');
    expect(moves).toBe(0);
    start.dispose();
  });

  test('a network that hands back its own input does no harm', async () => {
    const start = tf.tensor2d([[3]]);
    const run = walk(start, [1, 0], timesteps, undefined, (xt) => ({ x0: xt, next: xt }));
    for (;;) {
      const { done, value } = await run.next();
      if (!done) continue;
      expect(value.dataSync()[0]).toBe(3);
      value.dispose();
      break;
    }
    start.dispose();
  });
});

test('other tasks of the event loop run between two steps', async () => {
  const { port1, port2 } = new MessageChannel();
  let heardAt = -1;
  let step = 0;
  port1.onmessage = () => {
    heardAt = step;
    port1.close();
  };
  port2.postMessage('an event');
  const start = tf.ones([1, 1]);
  const indices = new Array<number>(50).fill(0);
  for await (const { index } of walk(start, indices, timesteps, undefined, double)) step = index;
  expect(heardAt).toBeGreaterThanOrEqual(0);
  expect(heardAt).toBeLessThan(49);
  start.dispose();
});
