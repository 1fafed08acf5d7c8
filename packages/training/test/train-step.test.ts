import { simple } from '@diffusion-ts/losses';
import { mapExamples, perExampleTensor, type Rng, rng } from '@diffusion-ts/tensor';
import { expectAllClose, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import {
  adamW,
  constantDecay,
  constantRate,
  disposeState,
  importanceTimes,
  initialState,
  logNormalSigma,
  NonFiniteError,
  type StepRecord,
  stratifiedTimes,
  type TrainOptions,
  type TrainState,
  type TrainTrees,
  trainStep,
  uniformTimes,
} from '../src/index.js';
import {
  classes,
  disposeBatch,
  forward,
  noClass,
  numbersOf,
  records,
  steps,
  through,
  toyBatch,
  toyOptions,
  toyParams,
  toyReverse,
} from './toy.js';

/** One step of the toy on batch `state.step`. */
async function stepOf(state: TrainState, options: Partial<TrainOptions> = {}): Promise<StepRecord> {
  const batch = toyBatch(8, state.step);
  try {
    return await trainStep(state, batch, toyOptions(state, options));
  } finally {
    expect(batch.x0.isDisposed, 'a batch stays its maker’s').toBe(false);
    disposeBatch(batch);
  }
}

const numbers = (x: tf.Tensor): number[] => {
  const values = Array.from(x.dataSync());
  x.dispose();
  return values;
};

onEachBackend(() => {
  test('a loop by hand over it is `train`: the same records, and the same state to the last bit', async () => {
    const empty = noClass();
    const options: Partial<TrainOptions> = {
      ema: constantDecay(0.9),
      optimizer: adamW({ maxGradNorm: 0.5, weightDecay: 0.1 }),
      times: importanceTimes(),
      conditionDropout: { rate: 0.5, empty },
      microBatch: 3,
    };
    const whole = initialState(toyParams());
    const expected = await records(toyOptions(whole, options));

    const state = initialState(toyParams());
    for (const record of expected) {
      const { state: same, ...own } = await stepOf(state, options);
      expect(same).toBe(state);
      expect(own).toEqual(record);
    }
    expect(numbersOf(state)).toEqual(numbersOf(whole));
    expect(state.step).toBe(5);
    expect(state.lossHistory).toEqual(whole.lossHistory);
    for (const one of [state, whole, { params: empty, slots: {} }]) disposeState(one);
  });

  test('a record’s loss and its quartiles are the weighted means of its losses, at its times', async () => {
    const state = initialState(toyParams());
    const weights = Float64Array.of(0.5, 1, 1.5, 2, 0.25, 1, 3, 0.75);
    const t = Float64Array.of(0, 9, 10, 11.5, 20, 29, 39, 38);
    const times = { draw: () => ({ t, weights }) };
    const loss: TrainOptions['loss'] = ({ t }) => ({
      perExample: perExampleTensor(
        mapExamples(t, (time) => time ** 2),
        8,
      ),
    });
    const record = await stepOf(state, { times, loss });
    expect(record.t).toEqual(t);
    expect(record.weights).toEqual(weights);
    expect(Array.from(record.losses)).toEqual(Array.from(t, (time) => time ** 2));
    const mean = (examples: number[], over = examples.map((i) => weights[i]!)): number =>
      examples.reduce((sum, i) => sum + weights[i]! * t[i]! ** 2, 0) / over.reduce((a, b) => a + b, 0);
    expect(record.loss).toBeCloseTo(mean([0, 1, 2, 3, 4, 5, 6, 7], [8]), 12);
    expect(record.lossByQuartile.map((value) => value!.toFixed(9))).toEqual(
      [
        [0, 1],
        [2, 3],
        [4, 5],
        [6, 7],
      ].map((examples) => mean(examples).toFixed(9)),
    );
    expect([record.step, record.images, record.learningRate]).toEqual([1, 8, 0.01]);
    disposeState(state);
  });

  test('step s draws times, noise, hidden conditions and the network’s numbers from forks of `rng.fork(s)`', async () => {
    const state = initialState(toyParams());
    const seen: Record<'noise' | 'network' | 'label', number[]>[] = [];
    const reverse = through((denoise, _, source) => (xt, told, condition) => {
      seen.at(-1)!.network.push(...numbers(source.normal(xt.shape)));
      seen.at(-1)!.label.push(...condition!.label!.dataSync());
      return denoise(xt, told, condition);
    });
    const loss: TrainOptions['loss'] = (context) => {
      seen.at(-1)!.noise.push(...context.noise.dataSync());
      return simple()(context);
    };
    const empty = noClass();
    for (let s = 0; s < 3; s++) {
      seen.push({ noise: [], network: [], label: [] });
      const conditionDropout = { rate: 0.5, empty };
      const { t } = await stepOf(state, { reverse, loss, conditionDropout, microBatch: 5 });
      const source = rng(5).fork(s);
      expect(Array.from(t)).toEqual(numbers(source.fork('timesteps').integers([8], steps)));
      expect(seen[s]!.noise).toEqual(numbers(source.fork('noise').normal([8, 2])));
      expect(seen[s]!.network).toEqual(numbers(source.fork('network').normal([8, 2])));
      const uniform = numbers(source.fork('labels').uniform([8]));
      const { x0, condition } = toyBatch(8, s);
      const labels = numbers(condition.label);
      expect(seen[s]!.label).toEqual(labels.map((label, i) => (uniform[i]! < 0.5 ? classes : label)));
      x0.dispose();
    }
    disposeState(state);
    empty.label.dispose();
  });

  test('a network that draws where it is made draws the same numbers with an average as without', async () => {
    const drawn: number[][] = [];
    const reverse: TrainOptions['reverse'] = (params, source) => {
      drawn.push(numbers(source.uniform([1])));
      return toyReverse(params, source);
    };
    const state = initialState(toyParams());
    await stepOf(state, { reverse, ema: constantDecay(0.9) });
    expect(drawn.length).toBe(3);
    expect(drawn[1]).toEqual(drawn[0]);
    expect(drawn[2]).toEqual(drawn[0]);
    disposeState(state);
  });

  // What the first edition of this package computed with the same seeds.
  for (const [name, times, losses, gradNorms, sums] of [
    [
      'uniform',
      uniformTimes(),
      [1.4272036962, 0.3790011546, 0.8962714118, 0.4162274026, 0.991847377],
      [2.6130692959, 0.8244432211, 1.1816366911, 0.6205179691, 1.6021519899],
      [0.4614837468, 230.003326416, 2.0587668419, 0.1408047825, 230.9938201904, 2.2425193787],
    ],
    [
      'stratified',
      stratifiedTimes(),
      [1.3432923444, 0.3671212913, 0.7791671824, 0.3755524098, 1.0142298779],
      [2.6136434078, 0.8837026954, 1.2812027931, 0.4948846698, 1.4949083328],
      [0.4315021634, 231.3602752686, 2.1827337742, 0.1296448261, 231.3881988525, 2.2623276711],
    ],
  ] as const) {
    test(`an old run goes on with the same numbers: five steps at ${name} times are those of the first edition`, async () => {
      const empty = noClass();
      const state = initialState(toyParams());
      const reverse = through((denoise, _, source) => (xt, told, condition) => {
        const noisier = tf.add(xt, tf.mul(source.normal(xt.shape), 0.1));
        return denoise(noisier, told, condition);
      });
      const all = await records(
        toyOptions(state, {
          reverse,
          times,
          ema: constantDecay(0.9),
          optimizer: adamW({ maxGradNorm: 0.5 }),
          conditionDropout: { rate: 0.5, empty },
          microBatch: 3,
        }),
      );
      expectAllClose(
        all.map(({ loss }) => loss),
        losses,
        { relative: 2e-6, absolute: 0 },
      );
      expectAllClose(
        all.map(({ gradNorm }) => gradNorm),
        gradNorms,
        { relative: 2e-6, absolute: 0 },
      );
      const sum = (tree: TrainState['params']): number[] =>
        Object.values(tree).map((tensor) =>
          Array.from(tensor.dataSync()).reduce((a, b) => a + Math.abs(b), 0),
        );
      expectAllClose([...sum(state.params), ...sum(state.ema!)], sums, { relative: 1e-5, absolute: 0 });
      disposeState(state);
      empty.label.dispose();
    });
  }

  for (const [when, before] of [
    ['the first step', 0],
    ['a later step', 2],
  ] as const) {
    for (const [rate, named] of [
      [1e30, /^the norm of the gradients or of the weights$/],
      [1e39, /^the new parameter "/],
    ] as const) {
      test(`at a rate of ${rate} ${when} is refused: no weight is touched, and nothing is left behind`, async () => {
        const state = initialState(toyParams());
        const options = { ema: constantDecay(0.9), times: importanceTimes() };
        for (let s = 0; s < before; s++) await stepOf(state, options);
        const good = numbersOf(state);
        const progress = structuredClone({ step: state.step, lossHistory: state.lossHistory });
        const tensors = tf.memory().numTensors;
        const refused = stepOf(state, { ...options, learningRate: constantRate(rate) });
        const error = await refused.catch((reason: unknown) => reason as NonFiniteError);
        expect(error).toBeInstanceOf(NonFiniteError);
        expect((error as NonFiniteError).tensor).toMatch(named);
        expect((error as NonFiniteError).step).toBe(before);
        expect(Number.isFinite((error as NonFiniteError).value)).toBe(false);
        expect(numbersOf(state)).toEqual(good);
        expect({ step: state.step, lossHistory: state.lossHistory }).toEqual(progress);
        expect(tf.memory().numTensors).toBe(tensors);
        // It goes on from where it was as if nothing had been.
        const other = initialState(toyParams());
        for (let s = 0; s < before + 1; s++) await stepOf(other, options);
        await stepOf(state, options);
        expect(numbersOf(state)).toEqual(numbersOf(other));
        disposeState(state);
        disposeState(other);
      });
    }
  }

  for (const [tree, named] of [
    ['params', 'parameter "hidden.bias"'],
    ['ema', 'average of parameter "hidden.bias"'],
    ['m', 'optimizer\'s m of "hidden.bias"'],
    ['v', 'optimizer\'s v of "hidden.bias"'],
  ] as const) {
    test(`\`train\` refuses a state that begins with NaN in ${tree} before it asks for a batch, and names it`, async () => {
      const state = initialState(toyParams());
      await stepOf(state, { ema: constantDecay(0.9) });
      const trees: Record<string, Record<string, tf.Tensor>> = {
        params: state.params,
        ema: state.ema!,
        ...state.slots,
      } as Record<string, Record<string, tf.Tensor>>;
      const name = 'hidden.bias';
      tf.dispose(trees[tree]![name]!);
      trees[tree]![name] = tf.tensor1d([0, Number.NaN, ...new Array<number>(14).fill(1)]);
      const tensors = tf.memory().numTensors;
      const batches = (): never => expect.fail('a batch was asked for');
      const error = await records(toyOptions(state, { ema: constantDecay(0.9), batches })).catch(
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(NonFiniteError);
      expect(error).toMatchObject({ step: 1, tensor: named, value: Number.NaN });
      expect([state.step, tf.memory().numTensors]).toEqual([1, tensors]);
      // Where there is nothing to do, there is nothing to refuse.
      expect(await records(toyOptions(state, { ema: constantDecay(0.9), batches, steps: 1 }))).toEqual([]);
      disposeState(state);
    });
  }

  test('what fails before the step or in it leaves the state as it was, without average or slots, and nothing behind', async () => {
    const state = initialState(toyParams());
    const good = numbersOf(state);
    const fail = (): never => {
      throw new Error('no');
    };
    const before = tf.memory().numTensors;
    const ema = constantDecay(0.9);
    for (const options of [
      { loss: fail },
      { times: { draw: fail } },
      { learningRate: fail },
      { optimizer: { ...adamW(), update: fail } },
      { optimizer: { ...adamW(), init: fail } },
    ]) {
      await expect(stepOf(state, { ema, ...options })).rejects.toThrow('no');
      expect(tf.memory().numTensors).toBe(before);
      expect(numbersOf(state)).toEqual(good);
    }
    disposeState(state);
  });

  test('the loss sees the average of the steps before where there is an ema, and none where there is none', async () => {
    const state = initialState(toyParams());
    const seen: (number[] | undefined)[] = [];
    const params: TrainTrees['params'][] = [];
    const reverse: TrainOptions['reverse'] = (tree, source) => {
      params.push(tree);
      return toyReverse(tree, source);
    };
    const loss: TrainOptions['loss'] = (context) => {
      seen.push(context.average && Array.from(params.at(-1)!['out.weight']!.dataSync()));
      return simple()(context);
    };
    await stepOf(state, { reverse, loss });
    expect(seen).toEqual([undefined]);

    const ema = constantDecay(0.5);
    for (let s = 0; s < 2; s++) {
      const expected = numbersOf(state)[s === 0 ? 'params out.weight' : 'ema out.weight'];
      await stepOf(state, { reverse, loss, ema });
      expect(seen.at(-1)).toEqual(expected);
    }
    expect(seen[2]).not.toEqual(numbersOf(state)['params out.weight']);
    disposeState(state);
  });

  test('times between the whole ones of a discrete schedule train too', async () => {
    const state = initialState(toyParams());
    const told: number[] = [];
    const reverse = through((denoise) => (xt, time, condition) => {
      told.push(...time.dataSync());
      return denoise(xt, tf.round(time) as tf.Tensor1D, condition);
    });
    const { t, loss } = await stepOf(state, { reverse, times: logNormalSigma() });
    expect(told).toEqual(Array.from(t, Math.fround));
    expect(t.some((time) => !Number.isInteger(time))).toBe(true);
    expect(loss).toBeGreaterThan(0);
    disposeState(state);
  });

  test('the noise is the process’s own, drawn once for the whole batch', async () => {
    const state = initialState(toyParams());
    const shapes: number[][] = [];
    const noise = (source: Rng, shape: readonly number[]): tf.Tensor => {
      shapes.push([...shape]);
      return forward.noise(source, shape);
    };
    const reverse: TrainOptions['reverse'] = (params, source) => ({
      ...toyReverse(params, source),
      forward: { ...forward, noise },
    });
    await stepOf(state, { reverse, microBatch: 3 });
    expect(shapes).toEqual([[8, 2]]);
    disposeState(state);
  });
});
