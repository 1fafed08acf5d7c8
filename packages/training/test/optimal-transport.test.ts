import { rng } from '@diffusion-ts/tensor';
import { onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import {
  constantRate,
  disposeState,
  initialState,
  NonFiniteError,
  optimalTransport,
  progressOf,
  restoreState,
  type TrainOptions,
  trainStep,
} from '../src/index.js';
import { leastCost, totalOf } from './permutations.js';
import { numbersOf, records, toyBatch, toyOptions, toyParams } from './toy.js';

type Rows = number[][];
const coupling = optimalTransport();

const squared = (x: number[], y: number[]): number => x.reduce((sum, a, i) => sum + (a - y[i]!) ** 2, 0);
const cost = (x: Rows, y: Rows): number[] => x.flatMap((a) => y.map((b) => squared(a, b)));

/** The coupled rows, and which of the drawn ones each is. */
async function coupled(
  x0: tf.Tensor,
  noise: tf.Tensor,
  label?: number[],
): Promise<{ rows: Rows; from: number[] }> {
  const told = label && { label: tf.tensor1d(label, 'int32') };
  const result = await coupling(x0, noise, told);
  const rows = result.arraySync() as Rows;
  const drawn = noise.arraySync() as Rows;
  tf.dispose([result, told ?? {}]);
  return { rows, from: rows.map((row) => drawn.findIndex((other) => other.join() === row.join())) };
}

onEachBackend(() => {
  test('the noise of a batch goes to its examples at the least Σ ‖x_0 − ε‖², the examples staying where they are', async () => {
    const before = tf.memory().numTensors;
    for (let seed = 0; seed < 5; seed++) {
      const [x0, noise] = [rng(seed).normal([6, 3]), rng(100 + seed).normal([6, 3])];
      const { rows, from } = await coupled(x0, noise);
      expect(from.toSorted()).toEqual([0, 1, 2, 3, 4, 5]);
      const [x, y] = [x0.arraySync() as Rows, noise.arraySync() as Rows];
      expect(totalOf(cost(x, rows), [0, 1, 2, 3, 4, 5])).toBeCloseTo(leastCost(cost(x, y), 6), 4);
      tf.dispose([x0, noise]);
    }
    expect(tf.memory().numTensors).toBe(before);
  });

  test('images are vectors to it', async () => {
    const x0 = tf.tidy(() => tf.tensor([9, 9, 9, 9, -9, -9, -9, -9], [2, 2, 2, 1]));
    const noise = tf.tensor([-1, -2, -1, -2, 1, 2, 1, 2], [2, 2, 2, 1]);
    const result = await coupling(x0, noise);
    expect(result.shape).toEqual([2, 2, 2, 1]);
    expect([...result.dataSync()]).toEqual([1, 2, 1, 2, -1, -2, -1, -2]);
    tf.dispose([x0, noise, result]);
  });

  test('noise changes hands only among examples that are told the same, and there in the best way', async () => {
    const [x0, noise] = [rng(1).normal([9, 2]), rng(2).normal([9, 2])];
    const label = [0, 1, 2, 1, 0, 0, 1, 0, 1];
    const { from } = await coupled(x0, noise, label);
    expect(from.map((i) => label[i])).toEqual(label);
    for (const wanted of [0, 1, 2]) {
      const members = label.flatMap((of, i) => (of === wanted ? [i] : []));
      const [x, y] = [x0, noise].map((all) => members.map((i) => (all.arraySync() as Rows)[i]!)) as [
        Rows,
        Rows,
      ];
      const own = members.map((i) => members.indexOf(from[i]!));
      expect(totalOf(cost(x, y), own)).toBeCloseTo(leastCost(cost(x, y), members.length), 5);
    }
    expect(from).not.toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    tf.dispose([x0, noise]);
  });

  test('the loss sees the noise of the step in that order, and x_0 and the class in their own', async () => {
    const seen: Record<'x0' | 'noise', number[]> = { x0: [], noise: [] };
    const state = initialState(toyParams());
    const loss: TrainOptions['loss'] = ({ x0, noise, t }) => {
      seen.x0.push(...x0.dataSync());
      seen.noise.push(...noise.dataSync());
      return { perExample: tf.zeros([(t as Float64Array).length]) as tf.Tensor1D };
    };
    const batch = toyBatch(8, 0);
    await trainStep(state, { x0: batch.x0 }, toyOptions(state, { loss, coupling, microBatch: 3 }));
    const drawn = rng(5).fork(0).fork('noise').normal([8, 2]);
    const expected = await coupling(batch.x0, drawn);
    expect(seen.x0).toEqual([...batch.x0.dataSync()]);
    expect(seen.noise).toEqual([...expected.dataSync()]);
    expect(seen.noise).not.toEqual([...drawn.dataSync()]);
    tf.dispose([batch.x0, batch.condition.label, drawn, expected]);
    disposeState(state);
  });

  test('a run that is saved and resumed ends with the same bytes as one that was not', async () => {
    const whole = initialState(toyParams());
    const expected = await records(toyOptions(whole, { coupling }));
    const half = initialState(toyParams());
    await records(toyOptions(half, { coupling, steps: 2 }));
    const resumed = restoreState(half, JSON.parse(JSON.stringify(progressOf(half))));
    const rest = await records(toyOptions(resumed, { coupling }));
    expect(rest).toEqual(expected.slice(2));
    expect(numbersOf(resumed)).toEqual(numbersOf(whole));
    for (const state of [whole, resumed]) disposeState(state);
  });

  test('a step frees what was coupled, and refuses what is no noise for its examples', async () => {
    const state = initialState(toyParams());
    const batch = toyBatch(8, 0);
    const step = (own: Partial<TrainOptions>, noise?: tf.Tensor) =>
      trainStep(state, { ...batch, ...(noise && { noise }) }, toyOptions(state, own));
    await step({ coupling });
    const before = tf.memory().numTensors;
    await step({ coupling });
    await expect(step({ coupling: () => tf.zeros([8, 3]) })).rejects.toThrow(
      'the coupling must return noise of the shape of x0, [8,2], not [8,3]',
    );
    expect(tf.memory().numTensors).toBe(before);
    await step({ coupling: (_, noise) => noise });
    await expect(
      step({
        coupling: () => {
          throw new Error('no');
        },
      }),
    ).rejects.toThrow('no');
    expect(tf.memory().numTensors).toBe(before);
    await expect(step({ coupling: 'optimal-transport' as never })).rejects.toThrow(
      'coupling must be a function, such as optimalTransport(), not optimal-transport',
    );
    await expect(step({ learningRate: constantRate(1e38), coupling })).rejects.toThrow(NonFiniteError);
    const noise = tf.zeros([8, 2]);
    await expect(step({ coupling }, noise)).rejects.toThrow(
      'coupling is given, but the examples of a batch are paired with noise already',
    );
    const wrong = tf.zeros([7, 2]);
    await expect(step({}, wrong)).rejects.toThrow(
      'noise of a batch must have the shape of x0, [8,2], not [7,2]',
    );
    tf.dispose([noise, wrong, batch.x0, batch.condition.label]);
    disposeState(state);
  });

  test('examples that are not finite are the step’s to refuse', async () => {
    const state = initialState(toyParams());
    const { x0, condition } = toyBatch(4, 0);
    const poisoned = tf.tidy(() => tf.mul(x0, tf.tensor([1, Number.NaN], [1, 2])));
    const refused = trainStep(state, { x0: poisoned, condition }, toyOptions(state, { coupling }));
    await expect(refused).rejects.toThrow(/^(?=.*x0)/);
    tf.dispose([x0, poisoned, condition]);
    disposeState(state);
  });

  test('pairs are mixed with the noise that they come with, which stays their maker’s', async () => {
    const state = initialState(toyParams());
    const batch = toyBatch(8, 0);
    const noise = rng(9).normal([8, 2]);
    const seen: number[] = [];
    const loss: TrainOptions['loss'] = ({ noise, t }) => {
      seen.push(...noise.dataSync());
      return { perExample: tf.zeros([(t as Float64Array).length]) as tf.Tensor1D };
    };
    await trainStep(state, { ...batch, noise }, toyOptions(state, { loss, microBatch: 3 }));
    expect(seen).toEqual([...noise.dataSync()]);
    tf.dispose([noise, batch.x0, batch.condition.label]);
    disposeState(state);
  });
});
