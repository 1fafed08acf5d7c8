import { useWasm } from '@diffusion-ts/backend-wasm';
import { disposeState } from '@diffusion-ts/training';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { averaged, planeRun } from '../src/worker/plane-run.js';
import { stateFromFile, stateToFile } from '../src/worker/state-file.js';

const CONFIG = {
  data: 'mixture',
  drawn: new Float32Array(),
  schedule: 'cosine',
  steps: 10,
  predicts: 'epsilon',
  loss: 'simple',
  seed: 3,
} as const;

beforeAll(() => useWasm());

describe('a run in the plane', () => {
  it('comes back from its file as it was, and leaves nothing in memory', async () => {
    const before = tf.memory().numTensors;
    const run = await planeRun(CONFIG);
    run.state.step = 7;
    const file = await stateToFile(run.state, { config: CONFIG.data });
    const { state, notes } = stateFromFile(file);
    expect(notes).toEqual({ config: 'mixture' });
    expect(state.step).toBe(7);
    expect(Object.keys(state.params)).toEqual(expect.arrayContaining(Object.keys(run.state.params)));
    for (const [name, tensor] of Object.entries(run.state.params)) {
      expect(state.params[name]!.dataSync(), name).toEqual(tensor.dataSync());
    }
    disposeState(state);
    disposeState(run.state);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('is refused from a file that was cut off, or that is of another network', async () => {
    const run = await planeRun(CONFIG);
    const file = await stateToFile(run.state, {});
    expect(() => stateFromFile(file.subarray(0, file.length - 100))).toThrow(/bytes/);
    await expect(planeRun({ ...CONFIG, loss: 'hybrid' }, run)).rejects.toThrow(
      'The weights "output.weight" must have the shape 96×4, not 96×2.',
    );
    disposeState(run.state);
  });

  it('expects no x_0 beyond the picture, whatever its network says', async () => {
    const run = await planeRun(CONFIG);
    const x0 = tf.tidy(() => {
      const far = tf.tensor2d([
        [5, -5],
        [0.5, 1],
      ]);
      return averaged(run)
        .predict(far, tf.tensor1d([0, 0], 'int32'))
        .x0.dataSync();
    });
    expect([...x0].slice(0, 2).map((x) => Math.round(100 * x) / 100)).toEqual([1.6, -1.6]);
    // Fresh networks say that there is no noise: x_0 = x_t / √ᾱ_0.
    const alphaBar = run.forward.schedule.alphaBars[0]!;
    expect(x0[2]).toBeCloseTo(0.5 / Math.sqrt(alphaBar), 5);
    disposeState(run.state);
  });
});
