import { exactGaussianMixture } from '@diffusion-ts/analytic';
import { useWasm } from '@diffusion-ts/backend-wasm';
import { PREDICTIONS } from '@diffusion-ts/reverse-process';
import { disposeState } from '@diffusion-ts/training';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { readStateFile, stateToFile } from '../src/lab/state-file.js';
import { PLANE_PREDICTIONS, type PlaneConfig } from '../src/plane/config.js';
import { planeSource } from '../src/plane/data.js';
import { decodePoints, encodePoints } from '../src/plane/drawn-points.js';
import { type Frames, floorOf, type PlaneEvaluation } from '../src/plane/evaluation.js';
import { fieldOf } from '../src/plane/field.js';
import { planeJobs } from '../src/plane/jobs.js';
import { averagedWithin, type PlaneModel, planeModel } from '../src/plane/model.js';
import { planeName, planeNames } from '../src/plane/names.js';
import { slicedWasserstein } from '../src/plane/sliced-wasserstein.js';
import { privateFiles } from './private-files.js';

const CONFIG: PlaneConfig = {
  data: 'mixture',
  drawn: new Float32Array(),
  schedule: 'cosine',
  steps: 10,
  predicts: 'epsilon',
  loss: 'simple',
  seed: 3,
};

beforeAll(async () => {
  await useWasm();
  vi.stubGlobal('navigator', privateFiles().navigator());
});
afterAll(() => vi.unstubAllGlobals());

const opened: PlaneModel[] = [];
/** A run at its beginning, freed when the test has ended. */
async function begun(config: Partial<PlaneConfig> = {}): Promise<PlaneModel> {
  const model = await planeModel({ ...CONFIG, ...config });
  opened.push(model);
  return model;
}
afterEach(() => {
  for (const { state } of opened.splice(0)) disposeState(state);
});

describe('a run in the plane', () => {
  it('comes back from its file as it was, and leaves nothing in memory', async () => {
    const before = tf.memory().numTensors;
    const { state, network } = await planeModel(CONFIG);
    state.step = 7;
    const file = readStateFile(await stateToFile(state, network, { config: CONFIG.data }));
    expect(file.notes).toEqual({ config: 'mixture' });
    const back = file.state(network);
    expect(back.step).toBe(7);
    expect(Object.keys(back.params)).toEqual(expect.arrayContaining(Object.keys(state.params)));
    for (const [name, tensor] of Object.entries(state.params)) {
      expect(back.params[name]!.dataSync(), name).toEqual(tensor.dataSync());
    }
    disposeState(back);
    disposeState(state);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('is refused from a file that was cut off, or that is of another network', async () => {
    const { state, network } = await begun();
    const file = await stateToFile(state, network, {});
    expect(() => readStateFile(file.subarray(0, file.length - 100))).toThrow(/bytes/);
    const before = tf.memory().numTensors;
    const other = await planeModel({ ...CONFIG, loss: 'hybrid' });
    expect(() => readStateFile(file).state(other.network)).toThrow(
      'the weights: "output.weight" must have shape [96,4], not [96,2]',
    );
    disposeState(other.state);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('expects no x_0 beyond the picture, whatever its network says', async () => {
    const model = await begun();
    const far = tf.tensor2d([
      [5, -5],
      [0.5, 1],
    ]);
    const evaluation = await averagedWithin(model).evaluate(far, 0);
    const x0 = evaluation.x0().dataSync();
    expect([...x0].slice(0, 2).map((x) => Math.round(100 * x) / 100)).toEqual([1.6, -1.6]);
    // Fresh networks say that there is no noise: x_0 = x_t / α.
    expect(x0[2]).toBeCloseTo(0.5 / model.forward.schedule.level(0).alpha, 5);
  });
});

describe('the score in the picture', () => {
  const MIXTURE = exactGaussianMixture({
    weights: [1, 2, 1],
    means: [
      [0.9, 0.2],
      [-0.5, 0.6],
      [-0.2, -0.8],
    ],
    deviations: [0.2, 0.3, 0.1],
  });

  for (const predicts of PLANE_PREDICTIONS) {
    it(`of a perfect network that predicts ${predicts} is that of the data, near them and far away`, async () => {
      const model = await begun({ predicts, steps: 100 });
      const { schedule } = model.forward;
      const perfect = {
        ...model,
        source: { ...model.source, exact: { ...MIXTURE, bits: () => 0 } },
        network: { ...model.network, denoiser: () => MIXTURE.denoiser(schedule, PREDICTIONS[predicts]) },
      };
      for (const t of [3, 30, 70, 96]) {
        const { learned, exact } = await fieldOf(perfect, { t, size: 9, extent: 3 });
        const largest = Math.max(...exact!.map(Math.abs));
        learned.forEach((value, i) => {
          expect(Math.abs(value - exact![i]!), `${t}, ${i}`).toBeLessThan(2e-4 * largest);
        });
      }
    });
  }

  it('points to the data, and is x and y at each place, row by row from the lower left', async () => {
    const one = exactGaussianMixture({ weights: [1], means: [[0.5, -0.25]], deviations: [0.4] });
    const model = await begun();
    const { schedule } = model.forward;
    const network = { ...model.network, denoiser: () => one.denoiser(schedule, PREDICTIONS.epsilon) };
    const { learned, exact } = await fieldOf({ ...model, network }, { t: 4, size: 3, extent: 2 });
    // ∇ ln q of N(α m, α² s² + σ²) at x is (α m − x) / (α² s² + σ²).
    const { alpha, sigma } = schedule.level(4);
    const variance = (0.4 * alpha) ** 2 + sigma ** 2;
    const expected = [-2, 0, 2].flatMap((y) =>
      [-2, 0, 2].flatMap((x) => [(0.5 * alpha - x) / variance, (-0.25 * alpha - y) / variance]),
    );
    learned.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i]!, 3);
    });
    // That of the run's own data, which are eight Gaussians, is another.
    expect(exact).not.toEqual(learned);
  });

  it('is what the network says, not what is left when its x_0 is clipped', async () => {
    // A fresh network sees no noise anywhere.
    const { learned } = await fieldOf(await begun(), { t: 8, size: 5, extent: 1.5 });
    expect(Math.max(...learned.map(Math.abs))).toBeLessThan(1e-5);
  });
});

describe('what no run can do better than', () => {
  it('is the bound of the exact denoiser on the same points, and the entropy below it', async () => {
    const floor = (await floorOf({ ...CONFIG, predicts: 'x0', steps: 100, seed: 0 }))!;
    // Measured beside the lab with the packages alone.
    expect(floor.bound.total).toBeCloseTo(-0.285, 2);
    // Eight Gaussians that hardly overlap: log₂ 8 + log₂ 2πe s², for two dimensions.
    const entropy = (3 + Math.log2(2 * Math.PI * Math.E * 0.05 ** 2)) / 2;
    expect(Math.abs(floor.entropy - entropy)).toBeLessThan(0.08);
    expect(floor.entropy).toBeLessThan(floor.bound.total);
    expect(await floorOf({ ...CONFIG, data: 'moons' })).toBeUndefined();
  });

  it('has the density of the mixture: it integrates to one', async () => {
    const { exact } = await planeSource({
      ...CONFIG,
      data: 'drawn',
      drawn: Float32Array.of(0, 0, 0.1, 0.2, -0.1, 0),
    });
    let mass = 0;
    for (let x = -0.5; x < 0.5; x += 0.01)
      for (let y = -0.5; y < 0.5; y += 0.01) mass += 1e-4 * 2 ** (-2 * exact!.bits(x, y));
    expect(mass).toBeCloseTo(1, 6);
  });
});

describe('a run of three hundred steps', () => {
  const client = { signal: new AbortController().signal, report: () => {} };
  const trained = (id: number, config: Partial<PlaneConfig>) =>
    planeJobs['plane/train'](
      { id, config: { ...CONFIG, steps: 50, seed: 0, predicts: 'v', ...config }, steps: 300 },
      client,
    );
  let ofSimple: PlaneEvaluation;
  beforeAll(async () => {
    ofSimple = (await trained(1, {})).evaluation!;
  });

  it('on the bound gives a bound that is no worse than that of L simple', async () => {
    const { evaluation } = await trained(2, { loss: 'bound' });
    expect(evaluation!.bound.total).toBeLessThan(ofSimple.bound.total + 0.1);
  });

  it('has paths that turn hardly more than the exact ones, predicting v: ε has kinks', async () => {
    await trained(3, { predicts: 'epsilon' });
    const turns = [];
    for (const id of [1, 3]) {
      const { learned, exact } = await planeJobs['plane/paths']({ id }, client);
      turns.push(turnOf(learned) / turnOf(exact!));
    }
    expect(turns[0]).toBeLessThan(1.5);
    expect(turns[1]).toBeGreaterThan(turns[0]!);
  });
});

/** How far the paths turn at their sharpest, in the mean, where a step is long enough to have a direction. */
function turnOf({ points }: Frames): number {
  const paths = points[0]!.length / 2;
  let sum = 0;
  for (let i = 0; i < paths; i++) {
    let sharpest = 0;
    let before: [number, number] | undefined;
    for (let k = 1; k < points.length; k++) {
      const step: [number, number] = [0, 1].map(
        (d) => points[k]![2 * i + d]! - points[k - 1]![2 * i + d]!,
      ) as never;
      if (Math.hypot(...step) < 0.01) continue;
      if (before) {
        const cross = before[0] * step[1] - before[1] * step[0];
        sharpest = Math.max(sharpest, Math.abs(Math.atan2(cross, before[0] * step[0] + before[1] * step[1])));
      }
      before = step;
    }
    sum += sharpest;
  }
  return sum / paths;
}

describe('points in the address', () => {
  it('come back to within a thousandth', () => {
    const points = Float32Array.of(-1.2, 0.3, 0, 0, 1.1, -0.77);
    decodePoints(encodePoints(points)).forEach((value, i) => {
      expect(Math.abs(value - points[i]!)).toBeLessThan(1e-3);
    });
  });
});

describe('the sliced Wasserstein distance', () => {
  it('is the mean of |cos| times the shift where one set is the other one moved', () => {
    const a = Float32Array.from({ length: 200 }, (_, i) => Math.sin(7 * i));
    const b = a.map((value, i) => value + (i % 2 === 0 ? 3 : 0));
    expect(slicedWasserstein(a, b, 1000)).toBeCloseTo((3 * 2) / Math.PI, 4);
    expect(slicedWasserstein(a, a)).toBe(0);
  });
});

describe('the names of runs', () => {
  const config = {
    data: 'moons',
    drawn: new Float32Array(),
    schedule: 'cosine',
    steps: 50,
    predicts: 'epsilon',
    loss: 'simple',
    seed: 0,
  } as const;

  it('say what sets them apart, and once what they share', () => {
    const other = { ...config, predicts: 'v', steps: 100 } as const;
    expect(planeNames([config, other])).toEqual({
      shared: 'moons · L simple · cosine · seed 0',
      own: ['ε · T 50', 'v · T 100'],
    });
  });

  it('are whole where nothing sets them apart', () => {
    expect(planeNames([config, config])).toEqual({
      shared: '',
      own: [planeName(config), planeName(config)],
    });
    expect(planeName(config)).toBe('moons · ε · L simple · cosine · T 50 · seed 0');
  });
});
