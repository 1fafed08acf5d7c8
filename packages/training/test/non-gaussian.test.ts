import { bernoulliDiffusion, type Categorical } from '@diffusion-ts/forward-process';
import { estimateBound, variationalBound } from '@diffusion-ts/losses';
import { mlp } from '@diffusion-ts/models';
import { categoricalReverseProcess, type ReverseProcess } from '@diffusion-ts/reverse-process';
import { constantFraction, type NoiseSchedule } from '@diffusion-ts/schedules';
import { type Params, rng } from '@diffusion-ts/tensor';
import { onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import {
  adamW,
  cosineDecay,
  disposeState,
  halfLife,
  initialState,
  stratifiedTimes,
  type TrainBatch,
  train,
} from '../src/index.js';
import { mean } from './moments.js';

/** Two bits that are always the same, of entropy 1: half a bit each. */
async function* pairs(start: number, size = 64): AsyncGenerator<TrainBatch> {
  for (let k = start; ; k++) {
    const x0 = tf.tidy(() => tf.tile(tf.cast(rng(3).fork(k).integers([size, 1], 2), 'float32'), [1, 2]));
    try {
      yield { x0 };
    } finally {
      x0.dispose();
    }
  }
}

async function* first<T>(values: AsyncGenerator<T>): AsyncGenerator<T> {
  for await (const value of values) {
    yield value;
    return;
  }
}

/**
 * The least bound that there is on such pairs in bits per dimension: a step that knows each bit's own probability as it is.
 * What it lacks of the entropy, ½, is that it cannot know of one bit of x_s when it draws the other.
 */
function leastBound(schedule: NoiseSchedule): number {
  const kept = (t: number): number => schedule.level(t).alpha ** 2;
  const entropy = (p: number): number =>
    [p, 1 - p].reduce((sum, q) => sum - (q > 0 ? q * Math.log2(q) : 0), 0);
  /** The probability of `bit` after as much of `from` was kept. */
  const chance = (bit: number, from: number, keep: number): number =>
    (1 - keep) / 2 + (bit === from ? keep : 0);
  let bits = 0;
  for (let t = 0; t < schedule.steps!; t++) {
    const [toT, toS] = [kept(t), kept(t - 1)];
    for (const xt of [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ] as const) {
      // P(x_0, x_t) for both x_0.
      const joint = [0, 1].map((x0) => 0.5 * chance(xt[0], x0, toT) * chance(xt[1], x0, toT)) as [
        number,
        number,
      ];
      const both = joint[0] + joint[1];
      for (const bit of xt) {
        const ones = [0, 1].map((x0) => {
          const [zero, one] = [0, 1].map((xs) => chance(xs, x0, toS) * chance(bit, xs, toT / toS));
          return one! / (zero! + one!);
        }) as [number, number];
        const own = (joint[0] * ones[0] + joint[1] * ones[1]) / both;
        bits += (both * entropy(own) - joint[0] * entropy(ones[0]) - joint[1] * entropy(ones[1])) / 2;
      }
    }
  }
  return bits;
}

// The loss itself is held to its numbers on every backend.
onEachBackend(() => {
  test('a process on bits trains through the same loop and loss, to the entropy of its data', async () => {
    const steps = 50;
    const schedule = constantFraction({ steps });
    const forward = bernoulliDiffusion(schedule);
    const network = mlp({ dimensions: 2, outputs: 4, hidden: 16, layers: 1, timeFeatures: 8 });
    const reverse = (params: Params): ReverseProcess<Categorical> =>
      categoricalReverseProcess({ forward, denoiser: (...inputs) => network.apply(params, ...inputs) });
    const state = initialState(network.init(rng(1)));
    const losses: number[] = [];
    for await (const { loss } of train({
      state,
      reverse,
      loss: variationalBound<Categorical>(),
      batches: pairs,
      rng: rng(2),
      steps: 200,
      learningRate: cosineDecay({ rate: 0.03, steps: 200 }),
      optimizer: adamW({ maxGradNorm: 1 }),
      ema: halfLife({ images: 1000 }),
      times: stratifiedTimes(),
    })) {
      losses.push(steps * loss);
    }
    const bound = await estimateBound<Categorical>(reverse(state.ema!), first(pairs(1e6, 2000)), {
      times: steps,
      rng: rng(4),
    });
    const least = leastBound(schedule);
    expect(least).toBeGreaterThan(0.5);
    expect(least).toBeLessThan(0.53);
    // Seeds are fixed: two of its standard errors, and what 200 steps have not learnt yet. Bits that know nothing of each
    // other cost 1.
    expect(bound.standardError).toBeLessThan(0.01);
    expect(Math.abs(bound.bitsPerDim - least)).toBeLessThan(0.03);
    expect(mean(losses.slice(0, 5))).toBeGreaterThan(2);
    expect(mean(losses.slice(-50))).toBeLessThan(0.65);

    disposeState(state);
  });
}, ['wasm']);
