import { latent } from '@diffusion-ts/forward-process';
import { estimateBound } from '@diffusion-ts/losses';
import { finish, mapParams, type Params, rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, useBackend } from '@diffusion-ts/testing';
import { initialState, trainStep } from '@diffusion-ts/training';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RunConfig } from '../src/config/index.js';
import { type Built, build, ConfigError, checkPlan, diffusionOf } from '../src/index.js';
import { labelled, type Setting, tiny } from './settings.js';

const LEARNED: readonly Setting[] = [
  ['process.schedule', { kind: 'learned', min: -4, max: 3, steps: 6 }],
  ['loss', { kind: 'variational-bound' }],
];
const learned = (...changes: Setting[]): RunConfig => tiny(...LEARNED, ...changes);
const ends = (params: Params): number[] =>
  ['gamma.min', 'gamma.max'].map((name) => params[name]!.dataSync()[0]!);

/** Weights of a network that says something, with a γ that is bent and has moved. */
function moved(built: Built): Params {
  return tf.tidy(() => {
    const fresh = built.network.init(rng(1));
    const random = rng(2);
    const other = mapParams(fresh, (tensor) => tf.add(tensor, tf.mul(random.normal(tensor.shape), 0.3)));
    for (const tensor of Object.values(other)) tf.keep(tensor);
    return other;
  });
}

async function* once(x0: tf.Tensor) {
  yield { x0 };
}

describe('the recipe of a learned schedule', () => {
  beforeAll(() => useBackend('wasm'));

  it.each([
    ['linear', 'epsilon', null],
    ['monotone', 'v', null],
    ['monotone', 'epsilon', 6],
  ] as const)(
    'trains a %s γ with a network that predicts %s, and draws with both: T = %s',
    async (gamma, predicts, steps) => {
      const config = learned(
        ['process.schedule', { kind: 'learned', min: -4, max: 3, gamma, steps }],
        ['process.predicts', predicts],
        ['model.hidden', 32],
      );
      const built = checkPlan(config);
      const state = initialState(built.network.init(rng(0)));
      const before = mapParams(state.params, (tensor) => tf.clone(tensor));
      expect(Object.fromEntries(Object.entries(before).map(([name, { shape }]) => [name, shape]))).toEqual(
        built.network.shapes,
      );
      const { dispose, ...training } = built.trainSteps(rng(3));
      const x0 = tf.fill([16, 2], 0.5);
      // Of the same noise, at times that are evenly spread.
      const bound = (params: Params): number =>
        tf.tidy(() => {
          const reverse = training.reverse(params, rng(0));
          const t = Float64Array.from({ length: 16 }, (_, i) => (i + 1) / 16);
          return tf
            .mean(training.loss({ reverse, x0, t, noise: rng(6).normal([16, 2]) }).perExample)
            .dataSync()[0]!;
        });
      const distance = async (params: Params): Promise<number> => {
        const process = built.process(params);
        const sampler = built.sampler({ ...config.sampling, sampler: 'ancestral' });
        const samples = await finish(
          sampler(process, latent(process.forward, rng(4), [32, 2]), { rng: rng(5) }),
        );
        process.dispose();
        return tf.tidy(() => tf.mean(tf.abs(tf.sub(samples, 0.5))).dataSync()[0]!);
      };
      const [boundBefore, distanceBefore] = [bound(before), await distance(before)];
      while (state.step < 60) await trainStep(state, { x0 }, { ...training, learningRate: () => 0.02 });
      expect(bound(state.params)).toBeLessThan(boundBefore - 0.5);
      expect(await distance(state.params)).toBeLessThan(distanceBefore / 2);
      for (const name of Object.keys(before).filter((name) => name.startsWith('gamma.'))) {
        const change = tf.tidy(
          () => tf.max(tf.abs(tf.sub(state.params[name]!, before[name]!))).dataSync()[0]!,
        );
        expect(change, name).toBeGreaterThan(1e-3);
      }
      dispose();

      const process = built.process(state.params);
      const { schedule } = process.forward;
      expect(schedule.steps).toBe((steps ?? 1000) + 1);
      expectAllClose([-schedule.level(0).logSnr, -schedule.level(schedule.end).logSnr], ends(state.params), {
        absolute: 1e-4,
      });
      process.dispose();
    },
  );

  it.each(['epsilon', 'v'])('is measured by the bound that it learns by: of %s', async (predicts) => {
    const built = build(learned(['process.predicts', predicts]));
    const params = moved(built);
    const { dispose, ...training } = built.trainSteps(rng(3));
    const x0 = rng(6).normal([512, 2]);
    const process = built.process(params);
    // Every step of the same examples, whose mean is the bound of eq. 14 for the same weights.
    const losses = Array.from({ length: 6 }, (_, step) =>
      tf.tidy(() => {
        const { perExample } = training.loss({
          reverse: training.reverse(params, rng(0)),
          x0,
          t: (step + 1) / 6,
          noise: rng(7).fork(step).normal(x0.shape),
        });
        return tf.mean(perExample).dataSync()[0]!;
      }),
    );
    const expected = losses.reduce((sum, loss) => sum + loss, 0) / 6;
    const { bitsPerDim, standardError, reconstruction } = await estimateBound(process, once(x0), {
      decoder: built.decoder,
      times: 7,
      rng: rng(8),
    });
    expect(standardError).toBeLessThan(0.05 * expected);
    expect(Math.abs(bitsPerDim - expected)).toBeLessThan(4 * standardError);
    // −log₂ N(x; z_0/α_0, e^γ) has this mean, whatever the network says.
    const [min] = ends(params);
    expect(reconstruction).toBeCloseTo((Math.log(2 * Math.PI) + 1 + min!) / 2 / Math.LN2, 1);
    dispose();
    process.dispose();
    tf.dispose([params, x0]);
  });

  it('of a network that predicts v has the ε of it: σ z + α v', () => {
    const config = learned(['process.predicts', 'v']);
    const told = tf.tensor1d([-2, 1]);
    const [z, params] = [rng(1).normal([2, 2]), moved(build(config))];
    const said = (predicts: string): Float32Array => {
      const { trainSteps } = build(learned(['process.predicts', predicts]));
      const { dispose, reverse } = trainSteps(rng(0));
      const answer = tf.tidy(() => reverse(params, rng(0)).denoiser(z, told).dataSync());
      dispose();
      return answer;
    };
    const [F, x] = [said('epsilon'), z.dataSync()];
    const root = (g: number): number => Math.sqrt(1 / (1 + Math.exp(-g)));
    const expected = Array.from(F, (f, i) => {
      const g = i < 2 ? -2 : 1;
      return root(g) * x[i]! + root(-g) * f;
    });
    expectAllClose(said('v'), expected);
  });

  it('begins with γ on a line between its ends, of which α² is the sigmoid of −γ', () => {
    const { schedule } = build(learned()).forward;
    expect(schedule.steps).toBe(7);
    for (let i = 0; i <= 6; i++) {
      const gamma = -4 + (7 * i) / 6;
      expect(schedule.level(i).alpha ** 2).toBeCloseTo(1 / (1 + Math.exp(gamma)), 14);
      expect(schedule.level(i).logSnr).toBeCloseTo(-gamma, 12);
    }
  });

  it('leaves no tensor behind', async () => {
    const built = build(learned());
    const params = moved(built);
    await expectNoLeak(() => built.process(params).dispose());
    tf.dispose(params);
  });

  it('is guided where some of the classes were hidden', () => {
    const built = checkPlan(labelled(...LEARNED));
    const params = moved(built);
    const process = built.process(params, 2);
    expect(process.forward.schedule.level(0).logSnr).toBeCloseTo(-ends(params)[0]!, 4);
    process.dispose();
    expect(() => checkPlan(learned(['sampling.guidance', 1]))).toThrow('sampling.guidance is 1: expected 0');
    tf.dispose(params);
  });

  it.each([
    [
      ['loss', { kind: 'simple' }],
      'loss.kind is simple: expected variational-bound, since nothing else teaches a schedule.',
    ],
    [['process.predicts', 'x0'], 'process.predicts is x0: expected epsilon or v,'],
    [['process.variance', 'fixedLarge'], 'process.variance is fixedLarge: expected fixedSmall,'],
    [['process.zeroTerminalSnr', true], 'process.zeroTerminalSnr is true: expected false,'],
    [
      ['training.timesteps', 'importance'],
      'training.timesteps is importance: expected uniform or stratified,',
    ],
    [
      ['process.schedule', { kind: 'learned', min: 5, max: 5 }],
      'process.schedule: min is 5 and max 5, expected γ to grow',
    ],
    [['process.noise', 'uniform'], 'process.noise is uniform: expected gaussian'],
  ] as [Setting, string][])('refuses what does not go together: %j', (change, sentence) => {
    const before = tf.memory().numTensors;
    expect(() => checkPlan(learned(change))).toThrow(ConfigError);
    expect(() => checkPlan(learned(change))).toThrow(sentence);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('is no schedule that is given, nor one of classes', () => {
    const sentence = 'process.schedule.kind is learned: expected a schedule that is given';
    expect(() => diffusionOf(learned())).toThrow(sentence);
    const classes = learned(
      ['data', { kind: 'heartbeat' }],
      ['process.noise', 'uniform'],
      ['process.predicts', 'x0'],
    );
    expect(() => build(classes)).toThrow(sentence);
  });
});
