import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { reverseProcess } from '@diffusion-ts/reverse-process';
import { fromBetas, linear, type NoiseSchedule, type Respacing, respace } from '@diffusion-ts/schedules';
import { expectAllClose, golden, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { ancestral, ddim, dpmSolverPlusPlus, type Sampler } from '../src/index.js';
import { exactProcess, finish, zeroNoise } from './gaussian-data.js';

interface Row {
  name: string;
  config: { prediction_type: 'epsilon' | 'v_prediction'; timestep_spacing?: string };
  inference_steps: number;
  timesteps: number[];
  x_final_first12: number[];
  sum_abs: number;
  ratio_to_xT: number;
}

const { rows } = golden<{ rows: Row[] }>('samplers');
const samplers: Readonly<Record<string, (options: { steps?: Respacing }) => Sampler>> = {
  'ancestral (DDPM), zero noise': ancestral,
  'DDIM eta 0': ddim,
  'DDIM eta 0 trailing': ddim,
  'DPM-Solver++ 2M midpoint': dpmSolverPlusPlus,
  'DPM-Solver++ 3M': (options) => dpmSolverPlusPlus({ ...options, order: 3 }),
};
const mine = rows.filter((row) => row.name in samplers);
// diffusers' names for two of the ways of `respace`; where it goes another way, its timesteps are kept by hand.
const SPACINGS: Readonly<Record<string, 'ddim' | 'trailing'>> = { leading: 'ddim', trailing: 'trailing' };
const schedule = linear({ steps: 1000, start: 1e-4, end: 0.02 });
const xT = Float32Array.from({ length: 768 }, (_, i) => 1.2 * Math.sin(0.37 * i + 0.2));

/** The schedule of just these timesteps. */
function keep(timesteps: number[]): NoiseSchedule {
  const alphaBars = timesteps.map((t) => schedule.alphaBars[t]!);
  const betas = alphaBars.map((alphaBar, i) => 1 - alphaBar / (alphaBars[i - 1] ?? 1));
  return { ...fromBetas(betas), timesteps: Float64Array.from(timesteps) };
}

test('the golden file has four rows of each of five samplers', () => {
  expect(mine.length).toBe(20);
});

onEachBackend(() => {
  for (const row of mine) {
    const predicts = row.config.prediction_type === 'epsilon' ? 'epsilon' : 'v';
    test(`${row.name}, ${predicts}, ${row.inference_steps} steps, ends where diffusers ends`, async () => {
      const spacing = SPACINGS[row.config.timestep_spacing ?? ''];
      const steps = spacing && (`${spacing}${row.inference_steps}` as const);
      const kept = steps ? respace(schedule, steps) : keep(row.timesteps.toReversed());
      expect(Array.from(kept.timesteps).toReversed()).toEqual(row.timesteps);

      const x = tf.tensor(xT, [4, 192]);
      const sampler = samplers[row.name]!(steps ? { steps } : {});
      const process = exactProcess(schedule, 0.25, predicts);
      const reverse = steps ? process : reverseProcess({ ...process, forward: gaussianDiffusion(kept) });
      const x0 = await finish(sampler(reverse, x, { rng: zeroNoise }));
      const values = Array.from(x0.dataSync());
      expectAllClose(values.slice(0, 12), row.x_final_first12, { relative: 1e-5, absolute: 1e-6 });
      expectAllClose(
        values.reduce((sum, value) => sum + Math.abs(value), 0),
        row.sum_abs,
        { relative: 1e-5 },
      );
      expectAllClose(values[0]! / xT[0]!, row.ratio_to_xT, { relative: 1e-5 });
      tf.dispose([x, x0]);
    });
  }
});
