import { paramsFromSafetensors, paramsToSafetensors, prefixed, unprefixed } from '@diffusion-ts/checkpoints';
import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { hybrid, simple } from '@diffusion-ts/losses';
import { mlp, unet } from '@diffusion-ts/models';
import {
  edmPrediction,
  epsilonPrediction,
  fixedSmall,
  learnedRange,
  type ReverseProcessOptions,
  reverseProcess,
} from '@diffusion-ts/reverse-process';
import { linear, varianceExploding } from '@diffusion-ts/schedules';
import { type Params, rng } from '@diffusion-ts/tensor';
import { onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import {
  adamW,
  cosineDecay,
  disposeState,
  halfLife,
  importanceTimes,
  initialState,
  logNormalSigma,
  progressOf,
  restoreState,
  stratifiedTimes,
  type TrainOptions,
  type TrainState,
  train,
  warmedUpDecay,
  warmUp,
} from '../src/index.js';
import { momentum } from './momentum.js';
import { noClass, toyBatches } from './toy.js';

type Options = Omit<TrainOptions, 'state' | 'steps'>;
type Saved = { readonly files: Readonly<Record<string, Uint8Array>>; readonly json: string };

/** Everything that a state is, as it would be written to files. */
async function save(state: TrainState): Promise<Saved> {
  const slots = Object.entries(state.slots).map(([name, tree]) => prefixed(tree, `${name}.`));
  return {
    files: {
      model: await paramsToSafetensors(state.params),
      ema: await paramsToSafetensors(state.ema ?? {}),
      optimizer: await paramsToSafetensors(Object.assign({}, ...slots) as Params),
    },
    json: JSON.stringify(progressOf(state)),
  };
}

function load({ files: { model, ema, optimizer }, json }: Saved, slots: readonly string[]): TrainState {
  const average = paramsFromSafetensors(ema!);
  const all = paramsFromSafetensors(optimizer!);
  return restoreState(
    {
      params: paramsFromSafetensors(model!),
      ...(Object.keys(average).length > 0 && { ema: average }),
      slots: Object.fromEntries(slots.map((name) => [name, unprefixed(all, `${name}.`)])),
    },
    JSON.parse(json),
  );
}

async function runTo(steps: number, state: TrainState, options: Options): Promise<void> {
  for await (const _ of train({ ...options, state, steps }));
}

/** Trains six steps in one go, and again with everything written out and read back after `interruption` of them. */
async function expectExactResume(
  init: () => Params,
  options: Options,
  interruption: number,
  slots: readonly string[] = ['m', 'v'],
): Promise<void> {
  const whole = initialState(init());
  await runTo(6, whole, options);
  expect(Object.keys(whole.slots)).toEqual(slots);
  const first = initialState(init());
  await runTo(interruption, first, options);
  const saved = await save(first);
  disposeState(first);
  const second = load(saved, slots);
  await runTo(6, second, options);

  const [expected, actual] = [await save(whole), await save(second)];
  for (const [file, bytes] of Object.entries(expected.files)) {
    expect(Buffer.compare(actual.files[file]!, bytes), `bytes of ${file}`).toBe(0);
  }
  expect(actual.json).toBe(expected.json);
  disposeState(whole);
  disposeState(second);
}

const process = (options: Omit<ReverseProcessOptions, 'forward' | 'predicts'>, steps: number) =>
  reverseProcess({
    forward: gaussianDiffusion(linear({ steps, start: 0.01, end: 0.5 })),
    predicts: epsilonPrediction,
    ...options,
  });

onEachBackend(() => {
  // Four times have their ten losses after the first batch: importance sampling is at work when the run is interrupted.
  const network = mlp({ dimensions: 2, outputs: 4, hidden: 16, layers: 2, timeFeatures: 8, classes: 4 });
  const init = (): Params => network.init(rng(1));
  const options = (): Options => ({
    reverse: (params) =>
      process({ denoiser: (...inputs) => network.apply(params, ...inputs), variance: learnedRange }, 4),
    loss: hybrid({ lambda: 0.1 }),
    batches: toyBatches(40),
    rng: rng(3),
    learningRate: warmUp(3, cosineDecay({ rate: 0.01, steps: 6 })),
    optimizer: adamW({ maxGradNorm: 1, weightDecay: 0.01 }),
    ema: halfLife({ images: 100 }),
    times: importanceTimes(),
    conditionDropout: { rate: 0.2, empty: noClass() },
    microBatch: 16,
  });

  for (const interruption of [1, 4]) {
    test(`an MLP interrupted after ${interruption} of 6 steps ends with the same bytes: importance sampling, parts, hidden labels`, () =>
      expectExactResume(init, options(), interruption));
  }

  test('the comparison sees a run that did not go on at its own batch', async () => {
    const late: Options['batches'] = (start) => toyBatches(40)(Math.max(start - 1, 0));
    await expect(expectExactResume(init, { ...options(), batches: late }, 4)).rejects.toThrow(
      'bytes of model',
    );
  });

  for (const ema of [undefined, halfLife({ images: 100 })]) {
    test(`a run with an optimizer of its own and ${ema ? 'an' : 'no'} average ends with the same bytes`, () =>
      expectExactResume(init, { ...options(), optimizer: momentum(0.9), ema }, 3, ['velocity']));
  }

  test('a run in continuous time ends with the same bytes: EDM, its times and its preconditioning', () => {
    const edm = mlp({ dimensions: 2, hidden: 16, layers: 2, timeFeatures: 8 });
    return expectExactResume(
      () => edm.init(rng(1)),
      {
        reverse: (params) =>
          reverseProcess({
            forward: gaussianDiffusion(varianceExploding()),
            denoiser: (...inputs) => edm.apply(params, ...inputs),
            predicts: edmPrediction(),
            variance: fixedSmall,
          }),
        loss: simple(),
        batches: toyBatches(16),
        rng: rng(3),
        learningRate: cosineDecay({ rate: 0.01, steps: 6 }),
        ema: warmedUpDecay(0.99),
        times: logNormalSigma(),
      },
      2,
    );
  });
});

onEachBackend(() => {
  const network = unet({
    sample_size: 8,
    in_channels: 1,
    out_channels: 1,
    layers_per_block: 1,
    block_out_channels: [8, 16],
    down_block_types: ['DownBlock2D', 'AttnDownBlock2D'],
    up_block_types: ['AttnUpBlock2D', 'UpBlock2D'],
    norm_num_groups: 4,
    attention_head_dim: 8,
    num_class_embeds: 4,
    dropout: 0.2,
  });
  test('a U-Net with dropout interrupted after 2 of 6 steps ends with the same bytes', () =>
    expectExactResume(
      () => network.init(rng(1)),
      {
        reverse: (params, source) =>
          process(
            {
              denoiser: (xt, told, condition) => network.apply(params, xt, told, condition, source),
              variance: fixedSmall,
            },
            100,
          ),
        loss: simple(),
        batches: async function* (start) {
          for await (const { condition } of toyBatches(4)(start)) {
            const x0 = rng(condition!.label!.dataSync()[0]!).normal([4, 8, 8, 1]);
            try {
              yield { x0, condition: condition! };
            } finally {
              x0.dispose();
            }
          }
        },
        rng: rng(3),
        learningRate: cosineDecay({ rate: 0.01, steps: 6 }),
        ema: warmedUpDecay(0.99),
        times: stratifiedTimes(),
        conditionDropout: { rate: 0.2, empty: { label: tf.tensor1d([3], 'int32') } },
      },
      2,
    ));
}, ['wasm', 'tensorflow']);
