import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import {
  epsilonPrediction,
  fixedSmall,
  flowPrediction,
  type GaussianReverseProcess,
  type Prediction,
  reverseProcess,
  vPrediction,
  x0Prediction,
} from '@diffusion-ts/reverse-process';
import {
  karras,
  leading,
  linear,
  type NoiseLevel,
  type NoiseSchedule,
  rectified,
  type Times,
  times,
  trailing,
  varianceExploding,
} from '@diffusion-ts/schedules';
import { finish } from '@diffusion-ts/tensor';
import { expectAllClose, golden, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { levelTold, seen } from '../src/conformance/mixing-data.js';
import {
  ancestral,
  ddim,
  deis,
  dpmSolverPlusPlus,
  dpmSolverPlusPlusSde,
  euler,
  eulerAncestral,
  heun,
  lms,
  pndm,
  type Sampler,
  unipc,
} from '../src/index.js';
import { constantNoise } from './running.js';

interface Row {
  readonly name: string;
  readonly config: { readonly prediction_type?: string; readonly shift?: number };
  readonly inference_steps: number;
  readonly timesteps: readonly number[];
  /** σ/α, or σ of the straight path, at every evaluation, and 0 at the end. */
  readonly sigmas: readonly number[] | null;
  readonly x_final_first12: readonly number[];
  readonly sum_abs: number;
  readonly ratio_to_xT: number;
}

/** How a row is said with what there is here. */
interface Said {
  readonly sampler: Sampler;
  readonly reverse: GaussianReverseProcess;
  /** What x_T of the file is multiplied by. */
  readonly scale?: number;
}

const xT = Float32Array.from({ length: 768 }, (_, i) => 1.2 * Math.sin(0.37 * i + 0.2));
const schedule = linear({ steps: 1000, start: 1e-4, end: 0.02 });

/** The exact network for data N(0, 0.5²) in every element. */
function exactProcess(schedule: NoiseSchedule, predicts: Prediction): GaussianReverseProcess {
  return reverseProcess({
    forward: gaussianDiffusion(schedule),
    denoiser: (xt, told) => {
      const level = levelTold(schedule, predicts, told.dataSync()[0]!);
      return tf.mul(xt, factorOf(predicts, level));
    },
    predicts,
    variance: fixedSmall,
  });
}

function factorOf({ name }: Prediction, level: NoiseLevel): number {
  const { x0, epsilon } = seen(level, 0.5);
  if (name === 'v') return level.alpha * epsilon.ofXt - level.sigma * x0.ofXt;
  if (name === 'flow') return epsilon.ofXt - x0.ofXt;
  return name === 'x0' ? x0.ofXt : epsilon.ofXt;
}

/** The levels of the row on the schedule, each where its ratio of noise to signal is. */
function levels({ sigmas }: Row): Times {
  return (on) =>
    times([...new Set(sigmas!.slice(0, -1))].map((ratio) => on.timeOf(-2 * Math.log(ratio))))(on);
}

/** diffusers draws x_T for the σ-frame; here that is x_T at the noisiest level of the schedule. */
const { sigma: sigmaT, alpha: alphaT } = schedule.level(999);

/** The schedule with the level of its first step in the place of the data. */
const endingAtFirstLevel: NoiseSchedule = {
  ...schedule,
  level: (t) => schedule.level(Math.max(t, 0)),
};

const SAMPLERS: Readonly<Record<string, (row: Row, predicts: Prediction) => Said>> = {
  'ancestral (DDPM), zero noise': ({ inference_steps }, predicts) => ({
    sampler: ancestral({ times: leading(inference_steps) }),
    reverse: exactProcess(schedule, predicts),
  }),
  'DDIM eta 0': ({ inference_steps }, predicts) => ({
    sampler: ddim({ times: leading(inference_steps) }),
    reverse: exactProcess(schedule, predicts),
  }),
  'DDIM eta 0 trailing': ({ inference_steps }, predicts) => ({
    sampler: ddim({ times: trailing(inference_steps) }),
    reverse: exactProcess(schedule, predicts),
  }),
  Euler: (row, predicts) => ({
    sampler: euler({ times: levels(row) }),
    reverse: exactProcess(schedule, predicts),
    scale: sigmaT,
  }),
  'Euler karras': ({ inference_steps }, predicts) => ({
    sampler: euler({ times: karras({ steps: inference_steps }) }),
    reverse: exactProcess(schedule, predicts),
    scale: sigmaT,
  }),
  'Euler ancestral, zero noise': (row, predicts) => ({
    sampler: eulerAncestral({ times: levels(row) }),
    reverse: exactProcess(schedule, predicts),
    scale: sigmaT,
  }),
  // Its mean of two slopes is one in the σ-frame.
  Heun: (row) => ({
    sampler: heun({ times: levels(row) }),
    reverse: exactProcess(varianceExploding({ sigmaMax: 160 }), x0Prediction),
    scale: sigmaT / alphaT,
  }),
  'DPM-Solver++ 2M midpoint': ({ timesteps }, predicts) => ({
    sampler: dpmSolverPlusPlus({ times: times(timesteps) }),
    reverse: exactProcess(schedule, predicts),
  }),
  'DPM-Solver++ 3M': ({ timesteps }, predicts) => ({
    sampler: dpmSolverPlusPlus({ times: times(timesteps), order: 3 }),
    reverse: exactProcess(schedule, predicts),
  }),
  'UniPC bh2 order 2': ({ timesteps }, predicts) => ({
    sampler: unipc({ times: times(timesteps) }),
    reverse: exactProcess(schedule, predicts),
  }),
  'UniPC bh2 order 3': ({ timesteps }, predicts) => ({
    sampler: unipc({ times: times(timesteps), order: 3 }),
    reverse: exactProcess(schedule, predicts),
  }),
  'LMS order 4': (row, predicts) => ({
    sampler: lms({ times: levels(row) }),
    reverse: exactProcess(schedule, predicts),
    scale: sigmaT,
  }),
  // diffusers ends these two at the level of the first step, not at the data.
  'DEIS order 2': ({ timesteps }, predicts) => ({
    sampler: deis({ times: (on) => Float64Array.from([...timesteps, on.start]) }),
    reverse: exactProcess(endingAtFirstLevel, predicts),
  }),
  'PNDM (PLMS only)': ({ timesteps }, predicts) => ({
    sampler: pndm({ times: (on) => Float64Array.from([...new Set(timesteps), on.start]) }),
    reverse: exactProcess(endingAtFirstLevel, predicts),
  }),
  'SDE-DPM-Solver++ 2M, zero noise': ({ timesteps }, predicts) => ({
    sampler: dpmSolverPlusPlusSde({ times: times(timesteps) }),
    reverse: exactProcess(schedule, predicts),
  }),
  // diffusers tells the network the nearest whole time, while the levels are exact.
  'DPM-Solver++ 2M karras': ({ inference_steps, timesteps }, predicts) => {
    const rounding: Prediction = {
      ...predicts,
      at: (level, on) => ({ ...predicts.at(level, on), told: Math.round(level.t) }),
    };
    const list = karras({ steps: inference_steps });
    expect(Array.from(list(schedule).slice(0, -1), Math.round)).toEqual(timesteps);
    return { sampler: dpmSolverPlusPlus({ times: list }), reverse: exactProcess(schedule, rounding) };
  },
};

const PREDICTS: Readonly<Record<string, Prediction>> = {
  epsilon: epsilonPrediction,
  v_prediction: vPrediction,
};

/** The ways of `flow.json`, by list of the levels visited. */
const FLOW: Readonly<Record<string, (times: Times) => Sampler>> = {
  'flow Euler': (times) => euler({ times }),
  'flow Heun': (times) => heun({ times }),
  'flow DPM-Solver++ 2M': (times) => dpmSolverPlusPlus({ times }),
  'flow DPM-Solver++ 3M': (times) => dpmSolverPlusPlus({ times, order: 3 }),
};

const rows = golden<{ rows: Row[] }>('samplers').rows.filter(({ name }) => name in SAMPLERS);
const { rows: flowRows } = golden<{ rows: Row[] }>('flow');

test('the golden files have four rows of each of fifteen samplers, two of PNDM, and ten of flows', () => {
  expect(rows.length).toBe(62);
  expect(flowRows.map(({ name }) => name in FLOW)).toEqual(new Array(10).fill(true));
});

/** Where the run ends, against the row. */
async function expectRow(row: Row, { sampler, reverse, scale = 1 }: Said): Promise<void> {
  const x = tf.tidy(() => tf.mul(tf.tensor(xT, [4, 192]), scale));
  const x0 = await finish(sampler(reverse, x, { rng: constantNoise(0) }));
  const values = Array.from(x0.dataSync());
  expectAllClose(values.slice(0, 12), row.x_final_first12, { relative: 1e-5, absolute: 1e-6 });
  expectAllClose(
    values.reduce((sum, value) => sum + Math.abs(value), 0),
    row.sum_abs,
    { relative: 1e-5 },
  );
  expectAllClose(values[0]! / xT[0]!, row.ratio_to_xT, { relative: 1e-5 });
  tf.dispose([x, x0]);
}

onEachBackend(() => {
  for (const row of rows) {
    const predicts = PREDICTS[row.config.prediction_type!]!;
    test(`${row.name}, ${predicts.name}, ${row.inference_steps} steps, ends where diffusers ends`, async () => {
      await expectRow(row, SAMPLERS[row.name]!(row, predicts));
    });
  }

  describe('of rectified flow', () => {
    for (const row of flowRows) {
      const { shift = 1 } = row.config;
      test(`${row.name}, shift ${shift}, ${row.inference_steps} steps, ends where diffusers ends`, async () => {
        const sigmas = [...new Set(row.sigmas!)];
        const straight = exactProcess(rectified(), flowPrediction);
        await expectRow(row, { sampler: FLOW[row.name]!(times(sigmas)), reverse: straight });
        if (shift === 1) return;
        // The same levels where time runs as the row's does: σ = s t/(1 + (s − 1) t).
        const shifted: Times = (on) => times(sigmas.map((s) => on.timeOf(2 * Math.log((1 - s) / s))))(on);
        const reverse = exactProcess(rectified({ shift }), flowPrediction);
        await expectRow(row, { sampler: FLOW[row.name]!(shifted), reverse });
      });
    }
  });
});

test('the time lists that diffusers spaces as ours do are the same', () => {
  for (const { name, inference_steps, timesteps } of rows) {
    const list = {
      'DDIM eta 0': leading,
      'ancestral (DDPM), zero noise': leading,
      'DDIM eta 0 trailing': trailing,
    }[name];
    if (list !== undefined)
      expect(Array.from(list(inference_steps)(schedule).slice(0, -1))).toEqual(timesteps);
  }
});
