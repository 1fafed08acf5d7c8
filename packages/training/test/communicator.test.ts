import { type Params, takeRows } from '@diffusion-ts/tensor';
import { expectAllClose, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import {
  adamW,
  type Communicator,
  constantDecay,
  disposeState,
  importanceTimes,
  initialState,
  NonFiniteError,
  optimalTransport,
  type StepRecord,
  type TrainBatch,
  type TrainOptions,
  type TrainState,
  train,
  trainStep,
} from '../src/index.js';
import {
  disposeBatch,
  noClass,
  numbersOf,
  steps,
  through,
  toyBatch,
  toyBatches,
  toyOptions,
  toyParams,
} from './toy.js';

/** A place where workers meet: once all have come, each is given what all of them make together. */
class Meeting implements Communicator {
  constructor(
    readonly rank: number,
    readonly size: number,
    private readonly come: { tensors: Params; done(all: Params): void }[],
  ) {}

  sum(tensors: Params): Promise<Params> {
    return this.together(tensors, tf.addN);
  }

  async gather(rows: tf.Tensor): Promise<tf.Tensor> {
    const { all } = await this.together({ all: rows }, (parts) => tf.concat(parts));
    return all!;
  }

  private together(tensors: Params, make: (parts: tf.Tensor[]) => tf.Tensor): Promise<Params> {
    return new Promise((done) => {
      this.come[this.rank] = { tensors, done };
      if (Object.keys(this.come).length < this.size) return;
      const all = this.come.splice(0);
      const names = Object.keys(tensors);
      for (const { tensors } of all) expect(Object.keys(tensors)).toEqual(names);
      for (const { done } of all) {
        done(Object.fromEntries(names.map((name) => [name, make(all.map(({ tensors }) => tensors[name]!))])));
      }
    });
  }
}

function meeting(size: number): Communicator[] {
  const come: ConstructorParameters<typeof Meeting>[2] = [];
  return Array.from({ length: size }, (_, rank) => new Meeting(rank, size, come));
}

/** A state that has seen ten losses of every time: importance sampling is at work from the first step on. */
function begun(): TrainState {
  return {
    ...initialState(toyParams()),
    lossHistory: Array.from({ length: steps }, (_, t) => new Array<number>(10).fill(1 / (1 + t))),
  };
}

/** Everything at once: a network that drops, hidden conditions, clipping, an average, importance sampling. */
function options(state: TrainState, empty: ReturnType<typeof noClass>): TrainOptions {
  const reverse = through((denoise, _, source) => (xt, told, condition) => {
    const kept = tf.cast(tf.greaterEqual(source.uniform(xt.shape), 0.2), 'float32');
    return denoise(tf.mul(xt, tf.div(kept, 0.8)), told, condition);
  });
  return toyOptions(state, {
    reverse,
    optimizer: adamW({ maxGradNorm: 0.3, weightDecay: 0.01 }),
    ema: constantDecay(0.9),
    times: importanceTimes(),
    conditionDropout: { rate: 0.3, empty },
  });
}

/** The rows of a batch that worker `rank` of `size` is given. */
function part({ x0, condition }: TrainBatch, rank: number, size: number): TrainBatch {
  const own = x0.shape[0]! / size;
  return { x0: tf.slice(x0, [rank * own], [own]), condition: takeRows(condition!, rank * own, own) };
}

type Settled = PromiseSettledResult<StepRecord>[];

/** One step of all workers on batch k, their parts spoilt by `spoil`. */
async function together(
  states: readonly TrainState[],
  communicators: readonly Communicator[],
  k: number,
  {
    spoil = (batch) => batch,
    ...more
  }: { spoil?: (batch: TrainBatch, rank: number) => TrainBatch } & Partial<TrainOptions> = {},
): Promise<Settled> {
  const empty = noClass();
  const whole = toyBatch(16, k);
  const parts = states.map((_, rank) => spoil(part(whole, rank, states.length), rank));
  const settled = await Promise.allSettled(
    states.map((state, rank) =>
      trainStep(state, parts[rank]!, {
        ...options(state, empty),
        ...more,
        communicator: communicators[rank]!,
      }),
    ),
  );
  for (const batch of [whole, ...parts, { x0: empty.label }]) disposeBatch(batch);
  return settled;
}

const recordsOf = (settled: Settled): StepRecord[] =>
  settled.map((result) =>
    result.status === 'fulfilled' ? result.value : expect.fail(String(result.reason)),
  );

onEachBackend(() => {
  for (const [size, microBatch] of [
    [2, undefined],
    [4, 3],
  ] as const) {
    test(`${size} workers with a part of every batch each end with the same bits, and with the weights of one that has it all`, async () => {
      const empty = noClass();
      const alone = begun();
      const states = Array.from({ length: size }, begun);
      const communicators = meeting(size);
      for (let k = 0; k < 6; k++) {
        const batch = toyBatch(16, k);
        const { state: _, ...expected } = await trainStep(alone, batch, options(alone, empty));
        disposeBatch(batch);
        const [first, ...others] = recordsOf(await together(states, communicators, k, { microBatch })).map(
          ({ state: _, ...record }) => record,
        );
        for (const other of others) expect(other).toEqual(first);
        const { loss, lossByQuartile, losses, weights, gradNorm, ...rest } = first!;
        expect(rest).toEqual({
          step: k + 1,
          t: expected.t,
          learningRate: expected.learningRate,
          images: 16,
        });
        expectAllClose(losses, expected.losses, { relative: 2e-5 });
        expectAllClose(weights, expected.weights, { relative: 1e-5 });
        expectAllClose([loss, gradNorm], [expected.loss, expected.gradNorm], { relative: 1e-5 });
        lossByQuartile.forEach((value, quarter) => {
          expectAllClose(value ?? -1, expected.lossByQuartile[quarter] ?? -1, { relative: 1e-5 });
        });
        for (const state of states) expect(numbersOf(state)).toEqual(numbersOf(states[0]!));
        for (const state of states) expect(state.lossHistory).toEqual(states[0]!.lossHistory);
      }
      const expected = numbersOf(alone);
      for (const [name, values] of Object.entries(numbersOf(states[0]!))) {
        expectAllClose(values, expected[name]!, { relative: 1e-4, absolute: 1e-5 });
      }
      for (const state of [alone, ...states, { params: empty, slots: {} }]) disposeState(state);
    });
  }

  test('noise is paired with the examples of all workers, as that of one with the whole batch', async () => {
    const coupling = optimalTransport();
    const alone = begun();
    const states = [begun(), begun()];
    const communicators = meeting(2);
    const before = tf.memory().numTensors;
    for (let k = 0; k < 3; k++) {
      const batch = toyBatch(16, k);
      const empty = noClass();
      const { losses, weights } = await trainStep(alone, batch, { ...options(alone, empty), coupling });
      disposeBatch(batch);
      empty.label.dispose();
      for (const record of recordsOf(await together(states, communicators, k, { coupling }))) {
        expectAllClose(record.losses, losses, { relative: 2e-5 });
        expectAllClose(record.weights, weights, { relative: 1e-5 });
      }
    }
    // Of three states the slots and averages that a first step adds.
    const added = [alone, ...states].flatMap(({ slots, ema = {} }) => [...Object.values(slots), ema]);
    const own = added.reduce((count, tree) => count + Object.keys(tree).length, 0);
    expect(tf.memory().numTensors).toBe(before + own);
    for (const state of [alone, ...states]) disposeState(state);
  });

  test('all workers end after the same step once one of them is told to', async () => {
    const states = [begun(), begun()];
    const communicators = meeting(2);
    const empty = noClass();
    const controller = new AbortController();
    const taken = await Promise.all(
      states.map(async (state, rank) => {
        let count = 0;
        const run = train({
          ...options(state, empty),
          batches: toyBatches(8),
          steps: 5,
          communicator: communicators[rank]!,
          ...(rank === 1 && { signal: controller.signal }),
        });
        for await (const { step } of run) {
          count += 1;
          if (rank === 1 && step === 2) controller.abort();
        }
        return count;
      }),
    );
    expect(taken).toEqual([2, 2]);
    expect(states.map(({ step }) => step)).toEqual([2, 2]);
    for (const state of [...states, { params: empty, slots: {} }]) disposeState(state);
  });

  test('a sum that fails leaves every state whole and nothing behind, and they go on together', async () => {
    const states = [begun(), begun()];
    const communicators = meeting(2);
    for (const k of [0, 1]) {
      const good = states.map(numbersOf);
      const progress = structuredClone(states.map(({ step, lossHistory }) => ({ step, lossHistory })));
      const before = tf.memory().numTensors;
      const broken = communicators.map(({ rank, size }) => ({
        rank,
        size,
        sum: () => Promise.reject(new Error(`worker ${1 - rank} is gone`)),
        gather: () => expect.fail('there is nothing to gather'),
      }));
      const settled = await together(states, broken, k);
      expect(settled.map((result) => result.status === 'rejected' && String(result.reason))).toEqual([
        'Error: worker 1 is gone',
        'Error: worker 0 is gone',
      ]);
      expect(states.map(numbersOf)).toEqual(good);
      expect(states.map(({ step, lossHistory }) => ({ step, lossHistory }))).toEqual(progress);
      expect(tf.memory().numTensors).toBe(before);
      recordsOf(await together(states, communicators, k));
    }
    expect(states.map(({ step }) => step)).toEqual([2, 2]);
    expect(numbersOf(states[1]!)).toEqual(numbersOf(states[0]!));
    states.forEach(disposeState);
  });

  test('data that is not finite with one worker is refused by all of them', async () => {
    const states = [begun(), begun()];
    const good = states.map(numbersOf);
    const before = tf.memory().numTensors;
    const settled = await together(states, meeting(2), 0, {
      spoil({ x0, ...batch }, rank) {
        if (rank === 0) return { x0, ...batch };
        const bad = tf.mul(x0, Number.NaN);
        x0.dispose();
        return { x0: bad, ...batch };
      },
    });
    const reasons = settled.map((result) => result.status === 'rejected' && result.reason);
    for (const reason of reasons) expect(reason).toBeInstanceOf(NonFiniteError);
    expect(reasons.map(({ tensor }) => tensor)).toEqual(['the loss', 'x0']);
    expect(states.map(numbersOf)).toEqual(good);
    expect(tf.memory().numTensors).toBe(before);
    states.forEach(disposeState);
  });

  test('the number of tensors is the same after every step of two workers', async () => {
    const before = tf.memory().numTensors;
    const states = [begun(), begun()];
    const communicators = meeting(2);
    const counts = new Set<number>();
    for (let k = 0; k < 3; k++) {
      recordsOf(await together(states, communicators, k));
      counts.add(tf.memory().numTensors);
    }
    expect(counts.size).toBe(1);
    states.forEach(disposeState);
    expect(tf.memory().numTensors).toBe(before);
  });
});
