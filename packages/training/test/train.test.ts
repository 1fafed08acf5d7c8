import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { simple } from '@diffusion-ts/losses';
import { reverseProcess } from '@diffusion-ts/reverse-process';
import { linear } from '@diffusion-ts/schedules';
import { rng } from '@diffusion-ts/tensor';
import { expectAllClose, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import {
  constantDecay,
  constantRate,
  cosineDecay,
  disposeState,
  importanceTimesteps,
  initialState,
  NonFiniteError,
  type ReverseOf,
  type StepRecord,
  stratifiedTimesteps,
  type TrainBatch,
  type TrainOptions,
  type TrainState,
  train,
  warmedUpDecay,
} from '../src/index.js';
import { classes, numbersOf, toyBatches, toyParams, toyReverse } from './toy.js';

function toyOptions(state: TrainState, options: Partial<TrainOptions> = {}): TrainOptions {
  return {
    state,
    reverse: toyReverse,
    loss: simple(),
    batches: toyBatches(8),
    rng: rng(5),
    steps: 5,
    learningRate: constantRate(0.01),
    ...options,
  };
}

/** Runs to the end; the records without their states. */
async function finish(options: TrainOptions): Promise<Omit<StepRecord, 'state'>[]> {
  const records: Omit<StepRecord, 'state'>[] = [];
  for await (const { state, ...record } of train(options)) {
    expect(state).toBe(options.state);
    records.push(record);
  }
  return records;
}

onEachBackend(() => {
  test('training a factor for each timestep on Gaussian data finds the exact denoiser', async () => {
    const schedule = linear({ steps: 10, start: 0.01, end: 0.5 });
    const s = 0.5;
    const reverse: ReverseOf = (params) =>
      reverseProcess({
        forward: gaussianDiffusion(schedule),
        denoiser: (xt, t) =>
          tf.mul(
            xt,
            tf.matMul(tf.cast(tf.oneHot(t, 10), 'float32') as tf.Tensor2D, params.factors as tf.Tensor2D),
          ),
        predicts: 'epsilon',
        variance: 'fixedSmall',
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
      betas: [0.9, 0.99],
      timesteps: stratifiedTimesteps(),
      ema: constantDecay(0.9),
    };
    await finish(options);
    // ε̂ = σ/(ᾱ s² + σ²) x_t is the least-squares factor.
    const exact = Array.from(schedule.alphaBars, (alphaBar) => {
      return Math.sqrt(1 - alphaBar) / (alphaBar * s ** 2 + 1 - alphaBar);
    });
    expectAllClose(state.ema!.factors!, exact, { absolute: 0.02 });
    disposeState(state);
  }, 60_000);

  test('a record holds the mean loss, the loss by quartile, the gradient norm and the rate of its step', async () => {
    const state = initialState(toyParams());
    const loss: TrainOptions['loss'] = (reverse, x0, t, noise, condition) => {
      const { perExample } = simple()(reverse, x0, t, noise, condition);
      return { perExample: tf.add(perExample, tf.mul(t, 10)) as tf.Tensor1D };
    };
    // The first eighth of the schedule only: quarters 1 to 3 stay empty.
    const timesteps: TrainOptions['timesteps'] = {
      draw: (_, size) => ({ t: new Int32Array(size).fill(3), weights: new Float32Array(size).fill(2) }),
    };
    const options = toyOptions(state, {
      loss,
      timesteps,
      learningRate: (step) => 0.01 / (step + 1),
      maxGradNorm: 1e-3,
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
    const sampler = importanceTimesteps();
    const observed: number[] = [];
    const timesteps: TrainOptions['timesteps'] = {
      draw: (...inputs) => ({ ...sampler.draw(...inputs), weights: new Float32Array(8).fill(0.5) }),
      observe: (history, count, t, losses) => {
        observed.push(...Array.from(losses));
        sampler.observe!(history, count, t, losses);
      },
    };
    const records = await finish(toyOptions(state, { timesteps, steps: 3 }));
    expect(state.lossHistory.flat().toSorted()).toEqual(observed.toSorted());
    expect(observed.length).toBe(24);
    const mean = observed.slice(16).reduce((sum, loss) => sum + loss, 0) / 8;
    expect(records[2]!.loss).toBeCloseTo(0.5 * mean, 6);

    const bad: TrainOptions['loss'] = (...inputs) => ({
      perExample: tf.mul(simple()(...inputs).perExample, Infinity) as tf.Tensor1D,
    });
    await expect(finish(toyOptions(state, { timesteps, loss: bad }))).rejects.toThrow(NonFiniteError);
    expect(state.lossHistory.flat().length).toBe(24);
    disposeState(state);
  });

  test('the first AdamW step moves each weight by the rate against the sign of its gradient', async () => {
    const state = initialState({ w: tf.tensor1d([2, -3]) });
    const loss: TrainOptions['loss'] = (reverse, x0, t, noise) => {
      const { prediction } = reverse.network(x0, t);
      return { perExample: tf.mean(tf.add(prediction, tf.mul(noise, 0)), 1) as tf.Tensor1D };
    };
    const reverse: ReverseOf = (params) => ({
      ...toyReverse(params, rng(1)),
      network: (xt) => ({ prediction: tf.mul(tf.onesLike(xt), params.w!) }),
    });
    await finish(toyOptions(state, { loss, reverse, steps: 1, weightDecay: 0.5 }));
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
    const records = await finish(toyOptions(whole, { maxGradNorm: 0.5 }));
    const partRecords = await finish(toyOptions(parts, { maxGradNorm: 0.5, microBatch: 3 }));
    records.forEach((record, i) => {
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

  test('labels are dropped at the given rate before the network sees them', async () => {
    const state = initialState(toyParams());
    const seen: number[] = [];
    const reverse: ReverseOf = (params, source) => {
      const process = toyReverse(params, source);
      return {
        ...process,
        network: (xt, t, condition) => {
          seen.push(...condition!.labels!.dataSync());
          return process.network(xt, t, condition);
        },
      };
    };
    await finish(
      toyOptions(state, {
        reverse,
        batches: toyBatches(400),
        labelDropout: { rate: 0.25, nullLabel: classes },
      }),
    );
    const nulls = seen.filter((label) => label === classes).length;
    expect(seen.length).toBe(2000);
    expect(Math.abs(nulls - 500)).toBeLessThan(4 * Math.sqrt(2000 * 0.25 * 0.75));
    disposeState(state);
  });

  test('the number of tensors is the same after every step, and nothing is left at the end', async () => {
    const before = tf.memory().numTensors;
    const state = initialState(toyParams());
    const counts: number[] = [];
    const options = toyOptions(state, {
      ema: constantDecay(0.9),
      maxGradNorm: 1,
      microBatch: 3,
      labelDropout: { rate: 0.5, nullLabel: classes },
    });
    for await (const _ of train(options)) counts.push(tf.memory().numTensors);
    expect(new Set(counts).size).toBe(1);
    disposeState(state);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('however the loop is left, the state is whole, nothing leaks, and training goes on from it', async () => {
    const whole = initialState(toyParams());
    await finish(toyOptions(whole));
    const state = initialState(toyParams());
    const before = tf.memory().numTensors;

    for await (const { step } of train(toyOptions(state))) if (step === 2) break;
    expect(state.step).toBe(2);

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
    await expect(finish(toyOptions(state, { batches: dry }))).rejects.toThrow('the data ended badly');
    expect(state.step).toBe(4);

    const failing: TrainOptions['loss'] = () => {
      throw new Error('no loss');
    };
    await expect(finish(toyOptions(state, { loss: failing }))).rejects.toThrow('no loss');
    expect(tf.memory().numTensors).toBe(before);

    await finish(toyOptions(state));
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
    await finish(toyOptions(state, { batches, steps: 2 }));
    await finish(toyOptions(state, { batches, steps: 3 }));
    await finish(toyOptions(state, { batches, steps: 3 }));
    await finish(toyOptions(state, { batches, signal: AbortSignal.abort() }));
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
      const loss: TrainOptions['loss'] = (reverse, x0, t, noise, condition) => {
        const { perExample } = simple()(reverse, x0, t, noise, condition);
        if (!bad.active || 'x0' in spoil) return { perExample };
        if ('loss' in spoil) return { perExample: tf.add(perExample, spoil.loss) as tf.Tensor1D };
        // √0 is finite, and its derivative is not.
        return { perExample: tf.add(perExample, tf.sqrt(tf.mul(perExample, 0))) as tf.Tensor1D };
      };
      const options = toyOptions(state, { batches, loss, ema: constantDecay(0.9) });
      await finish({ ...options, steps: 2 });
      const good = numbersOf(state);
      const tensors = tf.memory().numTensors;

      bad.active = true;
      const refused = await finish(options).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(NonFiniteError);
      const { step, tensor: named } = refused as NonFiniteError;
      if (what === 'gradient') expect(named).toMatch(/^the gradient of "/);
      else expect(named).toBe(tensor);
      expect([step, state.step]).toEqual([2, 2]);
      expect(numbersOf(state)).toEqual(good);
      expect(tf.memory().numTensors).toBe(tensors);

      bad.active = false;
      const rest = await finish(options);
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
    await finish(toyOptions(state, { steps: 20 }));
    expect(heardAt).toBeGreaterThanOrEqual(0);
    expect(heardAt).toBeLessThan(20);
    disposeState(state);
  });

  test('options, batches and rates that make no sense are refused by name', async () => {
    const state = initialState(toyParams());
    const refused = (options: Partial<TrainOptions>): Promise<unknown> =>
      finish(toyOptions(state, options)).then(
        () => 'accepted',
        (error: Error) => error.message,
      );
    const batchesOf = (batch: () => TrainBatch): Partial<TrainOptions> => ({
      batches: async function* () {
        const made = batch();
        try {
          yield made;
        } finally {
          tf.dispose([made.x0, made.labels ?? []]);
        }
      },
    });
    const before = tf.memory().numTensors;
    expect(await refused({ steps: 1.5 })).toMatch(/^steps must be/);
    expect(await refused({ microBatch: 0 })).toMatch(/^microBatch must be/);
    expect(await refused({ maxGradNorm: -1 })).toMatch(/^maxGradNorm must be/);
    expect(await refused({ labelDropout: { rate: 2, nullLabel: 3 } })).toMatch(/^labelDropout.rate must be/);
    expect(await refused({ learningRate: () => Number.NaN })).toMatch(/^learningRate must give/);
    const unlabelled = batchesOf(() => ({ x0: tf.zeros([2, 2]) }));
    expect(await refused({ ...unlabelled, labelDropout: { rate: 0.1, nullLabel: 3 } })).toMatch(
      /^labels are missing/,
    );
    const short = batchesOf(() => ({ x0: tf.zeros([2, 2]), labels: tf.zeros([1], 'int32') as tf.Tensor1D }));
    expect(await refused(short)).toMatch(/^labels must have one class per example, shape \[2\], not \[1\]/);
    expect(await refused(batchesOf(() => ({ x0: tf.zeros([0, 2]) })))).toMatch(
      /^x0 must have at least one example/,
    );
    expect(tf.memory().numTensors).toBe(before);
    expect(await refused({ ema: () => 1.5 })).toMatch(/^ema must give a finite number from 0 to 1, not 1.5/);
    expect(await refused({})).toMatch(/^ema is missing/);
    expect(state.step).toBe(0);
    disposeState(state);
  });
});
