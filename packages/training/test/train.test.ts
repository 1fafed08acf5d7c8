import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { simple } from '@diffusion-ts/losses';
import { epsilonPrediction, fixedSmall, reverseProcess } from '@diffusion-ts/reverse-process';
import { linear } from '@diffusion-ts/schedules';
import { mapExamples, perExampleTensor, rng } from '@diffusion-ts/tensor';
import { expectAllClose, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import {
  adamW,
  constantDecay,
  cosineDecay,
  disposeState,
  importanceTimes,
  initialState,
  NonFiniteError,
  type StepRecord,
  stratifiedTimes,
  type TrainBatch,
  type TrainOptions,
  train,
  warmedUpDecay,
} from '../src/index.js';
import {
  classes,
  disposeBatch,
  forward,
  noClass,
  numbersOf,
  records,
  through,
  toyBatches,
  toyOptions,
  toyParams,
} from './toy.js';

type Loss = TrainOptions['loss'];

onEachBackend(() => {
  test('training a factor for each timestep on Gaussian data finds the exact denoiser', async () => {
    const schedule = linear({ steps: 10, start: 0.01, end: 0.5 });
    const s = 0.5;
    const reverse: TrainOptions['reverse'] = (params) =>
      reverseProcess({
        forward: gaussianDiffusion(schedule),
        denoiser: (xt, told) => {
          const oneHot = tf.cast(tf.oneHot(tf.cast(told, 'int32'), 10), 'float32');
          return tf.mul(xt, tf.matMul(oneHot as tf.Tensor2D, params.factors as tf.Tensor2D));
        },
        predicts: epsilonPrediction,
        variance: fixedSmall,
      });
    const state = initialState({ factors: tf.ones([10, 1]) });
    const options: TrainOptions = {
      state,
      reverse,
      loss: simple(),
      batches: async function* (start) {
        for (let k = start; ; k++) {
          const x0 = tf.tidy(() => tf.mul(rng(1).fork(k).normal([50, 64]), s));
          try {
            yield { x0 };
          } finally {
            x0.dispose();
          }
        }
      },
      rng: rng(2),
      steps: 250,
      learningRate: cosineDecay({ rate: 0.1, steps: 250 }),
      optimizer: adamW({ betas: [0.9, 0.99] }),
      times: stratifiedTimes(),
      ema: constantDecay(0.9),
    };
    await records(options);
    // ε̂ = σ/(α² s² + σ²) x_t is the least-squares factor.
    const exact = Array.from({ length: 10 }, (_, t) => {
      const { alpha, sigma } = schedule.level(t);
      return sigma / (alpha ** 2 * s ** 2 + sigma ** 2);
    });
    expectAllClose(state.ema!.factors!, exact, { absolute: 0.02 });
    disposeState(state);
  }, 60_000);

  test('a record holds the mean loss, the loss by quartile, the gradient norm and the rate of its step', async () => {
    const state = initialState(toyParams());
    const loss: Loss = (context) => {
      const { perExample } = simple()(context);
      const tens = perExampleTensor(
        mapExamples(context.t, (t) => 10 * t),
        8,
      );
      return { perExample: tf.add(perExample, tens) as tf.Tensor1D };
    };
    // The first eighth of the schedule only: quarters 1 to 3 stay empty.
    const times: TrainOptions['times'] = {
      draw: (_, size) => ({ t: new Float64Array(size).fill(3), weights: new Float64Array(size).fill(2) }),
    };
    const options = toyOptions(state, {
      loss,
      times,
      learningRate: (step) => 0.01 / (step + 1),
      optimizer: adamW({ maxGradNorm: 1e-3 }),
    });
    const run = train(options);
    const first = (await run.next()).value as StepRecord;
    expect(first).toMatchObject({ step: 1, learningRate: 0.01, images: 8 });
    // The weights multiply the mean; a mean within a quarter is divided by them.
    expect(first.loss).toBeCloseTo(2 * first.lossByQuartile[0]!, 10);
    expect(first.lossByQuartile[0]!).toBeGreaterThan(30);
    expect(first.lossByQuartile.slice(1)).toEqual([undefined, undefined, undefined]);
    expect(first.gradNorm, 'before clipping').toBeGreaterThan(1e-2);
    expect(((await run.next()).value as StepRecord).learningRate).toBe(0.005);
    await run.return(state);
    disposeState(state);
  });

  test('importance sampling remembers the unweighted losses of every step, and a refused step leaves no trace', async () => {
    const state = initialState(toyParams());
    const sampler = importanceTimes();
    const observed: number[] = [];
    const times: TrainOptions['times'] = {
      draw: (...inputs) => ({ ...sampler.draw(...inputs), weights: new Float64Array(8).fill(0.5) }),
      observe: (history, schedule, t, losses) => {
        expect(schedule).toBe(forward.schedule);
        observed.push(...Array.from(losses));
        sampler.observe!(history, schedule, t, losses);
      },
    };
    const three = await records(toyOptions(state, { times, steps: 3 }));
    expect(state.lossHistory.flat().toSorted()).toEqual(observed.toSorted());
    expect(observed.length).toBe(24);
    const mean = observed.slice(16).reduce((sum, loss) => sum + loss, 0) / 8;
    expect(three[2]!.loss).toBeCloseTo(0.5 * mean, 6);

    const bad: Loss = (context) => ({
      perExample: tf.mul(simple()(context).perExample, Infinity) as tf.Tensor1D,
    });
    await expect(records(toyOptions(state, { times, loss: bad }))).rejects.toThrow(NonFiniteError);
    expect(state.lossHistory.flat().length).toBe(24);
    disposeState(state);
  });

  test('the first AdamW step moves each weight by the rate against the sign of its gradient', async () => {
    const state = initialState({ w: tf.tensor1d([2, -3]) });
    const loss: Loss = ({ reverse, x0, t }) => {
      const evaluation = reverse.evaluate(x0, t);
      if (evaluation instanceof Promise) throw new Error('not at once');
      return { perExample: tf.mean(evaluation.prediction, 1) as tf.Tensor1D };
    };
    const reverse = through((_, params) => (xt) => tf.mul(tf.onesLike(xt), params.w!));
    const optimizer = adamW({ weightDecay: 0.5 });
    await records(toyOptions(state, { loss, reverse, steps: 1, optimizer }));
    // p (1 − 0.01 · 0.5) − 0.01 · sign(½)
    expectAllClose(state.params.w!, [2 * 0.995 - 0.01, -3 * 0.995 - 0.01], { relative: 1e-5 });
    disposeState(state);
  });

  test('the moving average is decay · ema + (1 − decay) · params, from the initial weights on', async () => {
    const state = initialState(toyParams());
    let average = numbersOf(state)['params hidden.weight']!;
    const decay = warmedUpDecay(0.5);
    for await (const { step } of train(toyOptions(state, { ema: decay }))) {
      const weights = numbersOf(state)['params hidden.weight']!;
      average = average.map(
        (value, i) => decay(step - 1, 8) * value + (1 - decay(step - 1, 8)) * weights[i]!,
      );
      expectAllClose(state.ema!['hidden.weight']!, average, { relative: 1e-5, absolute: 1e-6 });
    }
    disposeState(state);
  });

  test('accumulating over parts of a batch trains as the whole batch does', async () => {
    const whole = initialState(toyParams());
    const parts = initialState(toyParams());
    const optimizer = adamW({ maxGradNorm: 0.5 });
    const wholeRecords = await records(toyOptions(whole, { optimizer }));
    const partRecords = await records(toyOptions(parts, { optimizer, microBatch: 3 }));
    wholeRecords.forEach((record, i) => {
      expect(partRecords[i]!.loss).toBeCloseTo(record.loss, 5);
      expect(partRecords[i]!.gradNorm).toBeCloseTo(record.gradNorm, 5);
    });
    const expected = numbersOf(whole);
    for (const [name, numbers] of Object.entries(numbersOf(parts))) {
      expectAllClose(numbers, expected[name]!, { relative: 1e-4, absolute: 1e-5 });
    }
    disposeState(whole);
    disposeState(parts);
  });

  test('conditions are hidden at the given rate before the network sees them', async () => {
    const state = initialState(toyParams());
    const seen: number[] = [];
    const reverse = through((denoise) => (xt, told, condition) => {
      seen.push(...condition!.label!.dataSync());
      return denoise(xt, told, condition);
    });
    const empty = noClass();
    await records(
      toyOptions(state, {
        reverse,
        batches: toyBatches(400),
        conditionDropout: { rate: 0.25, empty },
      }),
    );
    empty.label.dispose();
    const nulls = seen.filter((label) => label === classes).length;
    expect(seen.length).toBe(2000);
    expect(Math.abs(nulls - 500)).toBeLessThan(4 * Math.sqrt(2000 * 0.25 * 0.75));
    disposeState(state);
  });

  test('the number of tensors is the same after every step, and nothing is left at the end', async () => {
    const before = tf.memory().numTensors;
    const state = initialState(toyParams());
    const counts: number[] = [];
    const empty = noClass();
    const options = toyOptions(state, {
      ema: constantDecay(0.9),
      optimizer: adamW({ maxGradNorm: 1 }),
      microBatch: 3,
      conditionDropout: { rate: 0.5, empty },
    });
    for await (const _ of train(options)) counts.push(tf.memory().numTensors);
    expect(new Set(counts).size).toBe(1);
    disposeState(state);
    empty.label.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  test('however the loop is left, the state is whole, nothing leaks, and training goes on from it', async () => {
    const whole = initialState(toyParams());
    await records(toyOptions(whole));
    const state = initialState(toyParams());
    for await (const { step } of train(toyOptions(state))) if (step === 2) break;
    expect(state.step).toBe(2);
    const before = tf.memory().numTensors;

    const controller = new AbortController();
    const run = train(toyOptions(state, { signal: controller.signal }));
    await run.next();
    controller.abort();
    expect(await run.next()).toEqual({ done: true, value: state });
    expect(state.step).toBe(3);

    let batch = 0;
    const dry: TrainOptions['batches'] = async function* (start) {
      for await (const next of toyBatches(8)(start)) {
        if (batch++ === 1) throw new Error('the data ended badly');
        yield next;
      }
    };
    await expect(records(toyOptions(state, { batches: dry }))).rejects.toThrow('the data ended badly');
    expect(state.step).toBe(4);

    const failing: Loss = () => {
      throw new Error('no loss');
    };
    await expect(records(toyOptions(state, { loss: failing }))).rejects.toThrow('no loss');
    expect(tf.memory().numTensors).toBe(before);

    await records(toyOptions(state));
    expect(numbersOf(state)).toEqual(numbersOf(whole));
    disposeState(state);
    disposeState(whole);
  });

  test('batches are asked for from the step on that the state has reached, and none where nothing is to be done', async () => {
    const state = initialState(toyParams());
    const starts: number[] = [];
    const batches: TrainOptions['batches'] = (start) => {
      starts.push(start);
      return toyBatches(8)(start);
    };
    await records(toyOptions(state, { batches, steps: 2 }));
    await records(toyOptions(state, { batches, steps: 3 }));
    await records(toyOptions(state, { batches, steps: 3 }));
    await records(toyOptions(state, { batches, signal: AbortSignal.abort() }));
    expect(starts).toEqual([0, 2]);
    disposeState(state);
  });

  for (const [what, tensor, spoil] of [
    ['data', 'x0', { x0: Number.NaN }],
    ['loss', 'the loss', { loss: Infinity }],
    ['gradient', 'the gradient of "out.weight"', { grad: true }],
  ] as const) {
    test(`a step whose ${what} is not finite is refused: the weights stay, and good data goes on`, async () => {
      const state = initialState(toyParams());
      const bad = { active: false };
      const batches: TrainOptions['batches'] = async function* (start) {
        for await (const batch of toyBatches(8)(start)) {
          if (!bad.active || !('x0' in spoil)) yield batch;
          else {
            const x0 = tf.tidy(() => tf.mul(batch.x0, Number.NaN));
            try {
              yield { ...batch, x0 };
            } finally {
              x0.dispose();
            }
          }
        }
      };
      const loss: Loss = (context) => {
        const { perExample } = simple()(context);
        if (!bad.active || 'x0' in spoil) return { perExample };
        if ('loss' in spoil) return { perExample: tf.add(perExample, spoil.loss) as tf.Tensor1D };
        // √0 is finite, and its derivative is not.
        return { perExample: tf.add(perExample, tf.sqrt(tf.mul(perExample, 0))) as tf.Tensor1D };
      };
      const options = toyOptions(state, { batches, loss, ema: constantDecay(0.9) });
      await records({ ...options, steps: 2 });
      const good = numbersOf(state);
      const tensors = tf.memory().numTensors;

      bad.active = true;
      const refused = await records(options).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(NonFiniteError);
      const { step, tensor: named } = refused as NonFiniteError;
      if (what === 'gradient') expect(named).toMatch(/^the gradient of "/);
      else expect(named).toBe(tensor);
      expect([step, state.step]).toEqual([2, 2]);
      expect(numbersOf(state)).toEqual(good);
      expect(tf.memory().numTensors).toBe(tensors);

      bad.active = false;
      const rest = await records(options);
      expect(rest.map((record) => record.step)).toEqual([3, 4, 5]);
      expect(Object.values(numbersOf(state)).flat().every(Number.isFinite)).toBe(true);
      disposeState(state);
    });
  }

  test('other tasks of the event loop run between two steps', async () => {
    const { port1, port2 } = new MessageChannel();
    const state = initialState(toyParams());
    let heardAt = -1;
    port1.onmessage = () => {
      heardAt = state.step;
      port1.close();
    };
    port2.postMessage('an event');
    await records(toyOptions(state, { steps: 20 }));
    expect(heardAt).toBeGreaterThanOrEqual(0);
    expect(heardAt).toBeLessThan(20);
    disposeState(state);
  });

  test('options, batches and rates that make no sense are refused by name', async () => {
    const state = initialState(toyParams());
    const numbers = numbersOf(state);
    const empty = noClass();
    const failingTimes: TrainOptions['times'] = {
      draw: () => {
        throw new RangeError('no times');
      },
    };
    const refused = (options: Partial<TrainOptions>): Promise<unknown> =>
      records(toyOptions(state, options)).then(
        () => 'accepted',
        (error: Error) => error.message,
      );
    const batchesOf = (batch: () => TrainBatch): Partial<TrainOptions> => ({
      batches: async function* () {
        const made = batch();
        try {
          yield made;
        } finally {
          disposeBatch(made);
        }
      },
    });
    const before = tf.memory().numTensors;
    expect(await refused({ steps: 1.5 })).toMatch(/^steps must be/);
    expect(await refused({ microBatch: 0 })).toMatch(/^microBatch must be/);
    expect(await refused({ conditionDropout: { rate: 2, empty } })).toMatch(/^conditionDropout.rate must be/);
    expect(await refused({ conditionDropout: { rate: 0.1, empty: {} } })).toMatch(
      /^conditionDropout.empty must/,
    );
    expect(await refused({ learningRate: () => Number.NaN })).toMatch(/^learningRate must give/);
    const unlabelled = batchesOf(() => ({ x0: tf.zeros([2, 2]) }));
    expect(await refused({ ...unlabelled, conditionDropout: { rate: 0.1, empty } })).toMatch(
      /^condition is missing from a batch/,
    );
    const short = batchesOf(() => ({ x0: tf.zeros([2, 2]), condition: { label: tf.zeros([1], 'int32') } }));
    expect(await refused(short)).toMatch(
      /^condition.label must have one row per example, 2, not shape \[1\]/,
    );
    expect(await refused(batchesOf(() => ({ x0: tf.zeros([0, 2]) })))).toMatch(
      /^x0 must have at least one example/,
    );
    expect(await refused({ ema: () => 1.5 })).toMatch(/^ema must give a finite number from 0 to 1, not 1.5/);
    expect(await refused({ batches: toyBatches(2), times: failingTimes })).toBe('no times');
    expect(tf.memory().numTensors).toBe(before);
    expect(numbersOf(state)).toEqual(numbers);
    await records(toyOptions(state, { ema: constantDecay(0.9), steps: 1 }));
    expect(await refused({})).toMatch(/^ema is missing/);
    expect(state.step).toBe(1);
    disposeState(state);
    empty.label.dispose();
  });
});
