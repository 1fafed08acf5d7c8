import { paramsFromSafetensors, paramsToSafetensors } from '@diffusion-ts/checkpoints';
import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { hybrid, simple } from '@diffusion-ts/losses';
import { mlp, unet } from '@diffusion-ts/models';
import { reverseProcess, type Variance } from '@diffusion-ts/reverse-process';
import { linear } from '@diffusion-ts/schedules';
import { type Params, rng } from '@diffusion-ts/tensor';
import { onEachBackend } from '@diffusion-ts/testing';
import { expect, test } from 'vitest';
import {
  cosineDecay,
  disposeState,
  halfLife,
  importanceTimesteps,
  initialState,
  progressOf,
  restoreState,
  stratifiedTimesteps,
  type TrainOptions,
  type TrainState,
  train,
  warmedUpDecay,
  warmUp,
} from '../src/index.js';
import { toyBatches } from './toy.js';

/** Everything that a state is, as it would be written to files. */
async function save(
  state: TrainState,
): Promise<Record<'model' | 'ema' | 'optimizer', Uint8Array> & { json: string }> {
  const prefixed = (prefix: string, tree: Params): Params =>
    Object.fromEntries(Object.entries(tree).map(([name, tensor]) => [`${prefix}.${name}`, tensor]));
  return {
    model: await paramsToSafetensors(state.params),
    ema: await paramsToSafetensors(state.ema!),
    optimizer: await paramsToSafetensors({ ...prefixed('m', state.m), ...prefixed('v', state.v) }),
    json: JSON.stringify(progressOf(state)),
  };
}

function load({ model, ema, optimizer, json }: Awaited<ReturnType<typeof save>>): TrainState {
  const moments = Object.entries(paramsFromSafetensors(optimizer));
  const named = (prefix: string): Params =>
    Object.fromEntries(
      moments
        .filter(([name]) => name.startsWith(prefix))
        .map(([name, tensor]) => [name.slice(prefix.length), tensor]),
    );
  return restoreState(
    { params: paramsFromSafetensors(model), ema: paramsFromSafetensors(ema), m: named('m.'), v: named('v.') },
    JSON.parse(json),
  );
}

async function runTo(
  steps: number,
  state: TrainState,
  options: Omit<TrainOptions, 'state' | 'steps'>,
): Promise<void> {
  for await (const _ of train({ ...options, state, steps }));
}

/** Trains six steps in one go, and again with everything written out and read back after `interruption` of them. */
async function expectExactResume(
  init: () => Params,
  options: Omit<TrainOptions, 'state' | 'steps'>,
  interruption: number,
): Promise<void> {
  const whole = initialState(init());
  await runTo(6, whole, options);
  const first = initialState(init());
  await runTo(interruption, first, options);
  const saved = await save(first);
  disposeState(first);
  const second = load(saved);
  await runTo(6, second, options);

  const [expected, actual] = [await save(whole), await save(second)];
  for (const file of ['model', 'ema', 'optimizer'] as const) {
    expect(Buffer.compare(actual[file], expected[file]), `bytes of ${file}`).toBe(0);
  }
  expect(actual.json).toBe(expected.json);
  disposeState(whole);
  disposeState(second);
}

const process = (
  denoiser: Parameters<typeof reverseProcess>[0]['denoiser'],
  variance: Variance,
  steps: number,
) =>
  reverseProcess({
    forward: gaussianDiffusion(linear({ steps, start: 0.01, end: 0.5 })),
    denoiser,
    predicts: 'epsilon',
    variance,
  });

onEachBackend(() => {
  // Four timesteps have their ten losses after two batches: importance sampling is at work when the run is interrupted.
  const network = mlp({ dimensions: 2, outputs: 4, hidden: 16, layers: 2, timeFeatures: 8, classes: 4 });
  const init = (): Params => network.init(rng(1));
  const options: Omit<TrainOptions, 'state' | 'steps'> = {
    reverse: (params) => process((...inputs) => network.apply(params, ...inputs), 'learnedRange', 4),
    loss: hybrid({ lambda: 0.1 }),
    batches: toyBatches(40),
    rng: rng(3),
    learningRate: warmUp(3, cosineDecay({ rate: 0.01, steps: 6 })),
    maxGradNorm: 1,
    weightDecay: 0.01,
    ema: halfLife({ images: 100 }),
    timesteps: importanceTimesteps(),
    labelDropout: { rate: 0.2, nullLabel: 3 },
    microBatch: 16,
  };

  for (const interruption of [1, 4]) {
    test(`an MLP interrupted after ${interruption} of 6 steps ends with the same bytes: importance sampling, parts, dropped labels`, () =>
      expectExactResume(init, options, interruption));
  }

  test('the comparison sees a run that did not go on at its own batch', async () => {
    const late = (start: number): ReturnType<typeof options.batches> =>
      toyBatches(40)(Math.max(start - 1, 0));
    await expect(expectExactResume(init, { ...options, batches: late }, 4)).rejects.toThrow('bytes of model');
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
          process((xt, t, condition) => network.apply(params, xt, t, condition, source), 'fixedSmall', 100),
        loss: simple(),
        batches: async function* (start) {
          for await (const { labels } of toyBatches(4)(start)) {
            const x0 = rng(labels!.dataSync()[0]!).normal([4, 8, 8, 1]);
            try {
              yield { x0, labels: labels! };
            } finally {
              x0.dispose();
            }
          }
        },
        rng: rng(3),
        learningRate: cosineDecay({ rate: 0.01, steps: 6 }),
        ema: warmedUpDecay(0.99),
        timesteps: stratifiedTimesteps(),
        labelDropout: { rate: 0.2, nullLabel: 3 },
      },
      2,
    ));
}, ['wasm', 'tensorflow']);
