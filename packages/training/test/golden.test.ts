import { readFileSync } from 'node:fs';
import { paramsFromSafetensors } from '@diffusion-ts/checkpoints';
import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { simple } from '@diffusion-ts/losses';
import { unet } from '@diffusion-ts/models';
import { epsilonPrediction, fixedSmall, reverseProcess } from '@diffusion-ts/reverse-process';
import { linear } from '@diffusion-ts/schedules';
import { type Rng, rng } from '@diffusion-ts/tensor';
import { expectAllClose, golden, goldenPath, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import {
  adamW,
  constantDecay,
  constantRate,
  disposeState,
  initialState,
  type TimeSampler,
  type TrainBatch,
  train,
} from '../src/index.js';

interface Golden {
  loss: number[];
  grad_norm: number[];
  final_sum: Record<string, number>;
  ema_sum: Record<string, number>;
}

const expected = golden<Golden>('training-unet-mnist');
const shape = [4, 28, 28, 1];
// One channel: the order of the elements is that of NCHW.
const filled = (f: (i: number) => number): tf.Tensor =>
  tf.tensor(
    Float32Array.from({ length: 4 * 28 * 28 }, (_, i) => f(i)),
    shape,
  );

/** The recipe's noise √2 cos(0.77 i + s) and timesteps (37 s + 251 b + 13) mod 1000, as a source that knows its step. */
function recipe(s: number): Rng {
  return {
    ...rng(0),
    normal: () => filled((i) => Math.SQRT2 * Math.cos(0.77 * i + s)),
    fork: () => recipe(s),
    rows: () => recipe(s),
  };
}
const source: Rng = { ...rng(0), fork: (step) => recipe(Number(step)) };
const timesFrom = (step: () => number): TimeSampler => ({
  draw: (_, size) => ({
    t: Float64Array.from({ length: size }, (_, b) => (37 * step() + 251 * b + 13) % 1000),
    weights: new Float64Array(size).fill(1),
  }),
});

async function* batches(): AsyncGenerator<TrainBatch> {
  for (let s = 0; ; s++) {
    const x0 = filled((i) => Math.sin(i * (0.11 + 0.01 * s) + 0.3));
    try {
      yield { x0 };
    } finally {
      x0.dispose();
    }
  }
}

onEachBackend(() => {
  test('six AdamW steps of unet-mnist with clipping and EMA are those of PyTorch, one by one', async () => {
    const network = unet(JSON.parse(readFileSync(goldenPath('unet-mnist/config.json'), 'utf8')));
    const forward = gaussianDiffusion(linear({ steps: 1000, start: 1e-4, end: 0.02 }));
    const state = initialState(
      paramsFromSafetensors(
        readFileSync(goldenPath('unet-mnist/diffusion_pytorch_model.safetensors')),
        network.layouts,
      ),
    );
    const records = train({
      state,
      reverse: (params) =>
        reverseProcess({
          forward,
          denoiser: (...inputs) => network.apply(params, ...inputs),
          predicts: epsilonPrediction,
          variance: fixedSmall,
        }),
      loss: simple(),
      batches,
      rng: source,
      steps: 6,
      learningRate: constantRate(1e-3),
      optimizer: adamW({ weightDecay: 0.01, maxGradNorm: 1 }),
      ema: constantDecay(0.9),
      times: timesFrom(() => state.step),
    });
    for await (const { step, loss, gradNorm } of records) {
      expectAllClose(loss, expected.loss[step - 1]!, { relative: 1e-5 });
      expectAllClose(gradNorm, expected.grad_norm[step - 1]!, { relative: 2e-5 });
    }
    const sums = (tree: typeof state.params): Record<string, number> =>
      Object.fromEntries(
        Object.entries(tree).map(([name, tensor]) => [
          name,
          Array.from(tensor.dataSync()).reduce((a, b) => a + b, 0),
        ]),
      );
    const [finalSum, emaSum] = [sums(state.params), sums(state.ema!)];
    expect(Object.keys(finalSum).toSorted()).toEqual(Object.keys(expected.final_sum).toSorted());
    for (const [name, sum] of Object.entries(expected.final_sum)) {
      expectAllClose(finalSum[name]!, sum, { relative: 1e-5, absolute: 1e-4 });
      expectAllClose(emaSum[name]!, expected.ema_sum[name]!, { relative: 1e-5, absolute: 1e-4 });
    }
    disposeState(state);
  });
}, ['wasm', 'tensorflow']);
