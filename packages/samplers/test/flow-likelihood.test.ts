import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import {
  edmPrediction,
  fixedSmall,
  flowPrediction,
  reverseProcess,
  vPrediction,
  x0Prediction,
} from '@diffusion-ts/reverse-process';
import {
  continuous,
  linear,
  type NoiseSchedule,
  rectified,
  rescaleToZeroTerminalSnr,
  varianceExploding,
} from '@diffusion-ts/schedules';
import { rng } from '@diffusion-ts/tensor';
import { expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { type Batch, product, toTensor } from '../src/conformance/batch.js';
import { eventually } from '../src/conformance/eventually.js';
import { component, FACTORS, rotated, SHAPE } from '../src/conformance/mixing-data.js';
import {
  dequantised,
  flowBitsPerDim,
  flowLikelihood,
  normalVector,
  rademacher,
  unitVectors,
  type Vectors,
} from '../src/index.js';

const cosine = continuous((u) => -2 * Math.log(Math.tan((Math.PI * u) / 2)));
const FRAMES = [
  ['a thousand steps to pure noise', rescaleToZeroTerminalSnr(linear({ steps: 1000 })), vPrediction],
  ['a cosine in continuous time', cosine, vPrediction],
  // To σ = 80 it is 2e-2 nats off: x_T still has the mean of the data, and p_T has not. That falls as 1/σ.
  ['variance exploding to σ = 10⁴', varianceExploding({ sigmaMax: 1e4 }), edmPrediction()],
  ['the straight path from pure noise', rectified(), flowPrediction],
] as const;

const DATA: Batch = [
  [0.5, -0.2, 0.9, 0.1],
  [-0.3, 0.4, 0.2, 0.7],
  [0.6, 0.1, -0.8, -1.2],
];

const logNormal = (x: number, mean: number, deviation: number): number =>
  -0.5 * ((x - mean) / deviation) ** 2 - Math.log(deviation) - 0.5 * Math.log(2 * Math.PI);

/** ln p of x_0 with deviations of at least `blur`, which the flow begins at. */
function closedForm(data: Batch, factors: readonly number[], blur = 0): number[] {
  return product(data, rotated.toY).map((y, i) =>
    y.reduce((sum, value, k) => {
      const { mean, deviation } = component(factors[i]!, k);
      return sum + logNormal(value, mean, Math.hypot(deviation, blur));
    }, 0),
  );
}

async function found(
  schedule: NoiseSchedule,
  predicts: (typeof FRAMES)[number][2],
  vectors?: Vectors,
): Promise<number[]> {
  const x0 = toTensor(DATA, SHAPE);
  const condition = { factor: tf.tensor1d([...FACTORS]) };
  const nats = await flowLikelihood(rotated.process(schedule, predicts), x0, {
    condition,
    ...(vectors && { vectors }),
  });
  const values = Array.from(nats.dataSync());
  tf.dispose([x0, condition.factor, nats]);
  return values;
}

onEachBackend(() => {
  for (const [where, schedule, predicts] of FRAMES) {
    test(`${where}: ln p of Gaussian data whose elements depend on one another is the closed form to 1e-3`, async () => {
      const { alpha, sigma } = schedule.level(schedule.least);
      const expected = closedForm(DATA, FACTORS, sigma / alpha);
      (await found(schedule, predicts)).forEach((nats, i) => {
        expect(Math.abs(nats - expected[i]!)).toBeLessThan(1e-3);
      });
    });
  }
}, ['cpu']);

const CENTRES = [
  [-1, 0.2],
  [0.8, -0.5],
  [0.3, 1.1],
] as const;
const [WEIGHTS, SPREADS] = [
  [0.5, 0.2, 0.3],
  [0.3, 0.2, 0.4],
] as const;

/** The exact network of a mixture of three Gaussians in the plane, which says x_0. */
function ofMixture(schedule: NoiseSchedule): ReturnType<typeof reverseProcess> {
  return reverseProcess({
    forward: gaussianDiffusion(schedule),
    denoiser: (xt, told) =>
      tf.tidy(() => {
        const { alpha, sigma } = schedule.level(told.dataSync()[0]!);
        const parts = CENTRES.map((centre, k) => {
          const variance = (alpha * SPREADS[k]!) ** 2 + sigma ** 2;
          const away = tf.sub(xt, tf.tensor2d([centre.map((c) => alpha * c)]));
          const logit = tf.sub(
            Math.log(WEIGHTS[k]!) - Math.log(variance),
            tf.div(tf.sum(tf.square(away), 1, true), 2 * variance),
          );
          const mean = tf.add(
            tf.mul(away, (alpha * SPREADS[k]! ** 2) / variance),
            tf.tensor2d([[...centre]]),
          );
          return { logit, mean };
        });
        const chances = tf.softmax(
          tf.concat(
            parts.map(({ logit }) => logit),
            1,
          ),
        );
        return tf.addN(parts.map(({ mean }, k) => tf.mul(tf.slice(chances, [0, k], [-1, 1]), mean)));
      }),
    predicts: x0Prediction,
    variance: fixedSmall,
  });
}

onEachBackend(() => {
  for (const [where, schedule] of FRAMES) {
    test(`${where}: ln p of a mixture is the closed form to 1e-3`, async () => {
      const points = [
        [-1, 0.2],
        [0.7, -0.4],
        [0, 0.3],
        [0.5, 1.4],
        [-1.6, 0.9],
      ];
      const { alpha, sigma } = schedule.level(schedule.least);
      const x0 = tf.tensor2d(points);
      const nats = await flowLikelihood(ofMixture(schedule), x0);
      const expected = points.map((point) =>
        Math.log(
          CENTRES.reduce((total, centre, k) => {
            const spread = Math.hypot(SPREADS[k]!, sigma / alpha);
            const log = point.reduce((sum, x, i) => sum + logNormal(x, centre[i]!, spread), 0);
            return total + WEIGHTS[k]! * Math.exp(log);
          }, 0),
        ),
      );
      Array.from(nats.dataSync()).forEach((value, i) => {
        expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-3);
      });
      tf.dispose([x0, nats]);
    });
  }

  test('what the blur at the least noise of EDM and of the straight path changes is below 2e-3 nats for these data', () => {
    for (const schedule of [varianceExploding(), rectified()]) {
      const { alpha, sigma } = schedule.level(schedule.least);
      const [sharp, blurred] = [closedForm(DATA, FACTORS), closedForm(DATA, FACTORS, sigma / alpha)];
      sharp.forEach((nats, i) => {
        expect(Math.abs(nats - blurred[i]!)).toBeLessThan(2e-3);
      });
    }
  });

  for (const [name, draw] of [
    ['signs', rademacher],
    ['normal numbers', normalVector],
  ] as const) {
    test(`Hutchinson’s estimate by ${name} is ln p on average, and one draw of it is not`, async () => {
      const exact = await found(rectified(), flowPrediction);
      const count = 200;
      // A batch of many draws of the first example.
      const x0 = tf.tidy(() => tf.tile(toTensor([DATA[0]!], SHAPE), [count, 1, 1]));
      const condition = { factor: tf.fill([count], FACTORS[0]!) as tf.Tensor1D };
      const nats = await flowLikelihood(rotated.process(rectified(), flowPrediction), x0, {
        condition,
        vectors: draw(rng(3)),
        tolerance: 1e-3,
      });
      const values = Array.from(nats.dataSync());
      const mean = values.reduce((sum, value) => sum + value, 0) / count;
      const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count);
      expect(deviation).toBeGreaterThan(0.05);
      expect(Math.abs(mean - exact[0]!)).toBeLessThan((4 * deviation) / Math.sqrt(count) + 5e-3);
      tf.dispose([x0, condition.factor, nats]);
    });
  }

  test('the unit vectors add up to the trace, signs have a square of one, and normal numbers are those of the rng', () => {
    const units = unitVectors([2, 3]);
    expect(units.map((e) => Array.from(e.dataSync()))).toEqual([
      [1, 0, 0, 1, 0, 0],
      [0, 1, 0, 0, 1, 0],
      [0, 0, 1, 0, 0, 1],
    ]);
    const [signs] = rademacher(rng(1))([50, 2]);
    expect(new Set(signs!.dataSync())).toEqual(new Set([1, -1]));
    const [normal] = normalVector(rng(1))([4, 2]);
    const drawn = rng(1).normal([4, 2]);
    expect(Array.from(normal!.dataSync())).toEqual(Array.from(drawn.dataSync()));
    tf.dispose([...units, signs!, normal!, drawn]);
  });

  test('it leaves nothing behind, done, stopped or refused', async () => {
    const reverse = ofMixture(rectified());
    await expectNoLeak(async () => {
      const x0 = tf.tensor2d([[0.1, 0.2]]);
      return [x0, await flowLikelihood(reverse, x0, { tolerance: 1e-2 })];
    });
    const x0 = tf.tensor2d([[0.1, 0.2]]);
    const before = tf.memory().numTensors;
    const controller = new AbortController();
    let asked = 0;
    const stopping = {
      ...reverse,
      denoiser: (...question: Parameters<typeof reverse.denoiser>) => {
        asked += 1;
        if (asked === 20) controller.abort(new Error('enough'));
        return reverse.denoiser(...question);
      },
    };
    await expect(flowLikelihood(stopping, x0, { signal: controller.signal })).rejects.toThrow('enough');
    expect(tf.memory().numTensors).toBe(before);
    const later = { ...reverse, denoiser: eventually(reverse.denoiser) };
    await expect(flowLikelihood(later, x0)).rejects.toThrow('a gradient needs its output at once');
    await expect(flowLikelihood(reverse, x0, { tolerance: 0 })).rejects.toThrow(
      'tolerance must be a positive, finite number, not 0',
    );
    x0.dispose();
  });

  test('dequantised images keep their bins, and their bits count a bin of 1/127.5', () => {
    const x0 = tf.tensor2d([[-1, 1 / 127.5 - 1, 1]]);
    const noisy = dequantised(tf.tile(x0, [500, 1]) as tf.Tensor2D, rng(2));
    const moved = tf.mul(tf.sub(noisy, x0), 127.5);
    const [low, high, mean] = [tf.min(moved), tf.max(moved), tf.mean(moved)].map((x) => x.dataSync()[0]!);
    expect(low).toBeGreaterThanOrEqual(-0.5001);
    expect(low).toBeLessThan(-0.49);
    expect(high).toBeLessThanOrEqual(0.5001);
    expect(high).toBeGreaterThan(0.49);
    expect(Math.abs(mean!)).toBeLessThan(0.03);
    // A uniform density on [−1, 1] costs 255/256 of eight bits, whatever D: −log₂(½ · 1/127.5).
    const [bits] = flowBitsPerDim([3 * Math.log(0.5)], { dimensions: 3, width: 1 / 127.5 });
    expect(bits).toBeCloseTo(Math.log2(255), 12);
    expect(flowBitsPerDim([2 * Math.LN2], { dimensions: 2 })).toEqual([-1]);
  });
}, ['cpu']);
