import { exactGaussian, exactGaussianMixture } from '@diffusion-ts/analytic';
import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import {
  atOnce,
  edmPrediction,
  epsilonPrediction,
  fixedSmall,
  flowPrediction,
  type GaussianReverseProcess,
  learnedRange,
  type Prediction,
  previousMeanPrediction,
  reverseProcess,
  vPrediction,
  x0Prediction,
} from '@diffusion-ts/reverse-process';
import {
  cosine,
  linear,
  type NoiseLevel,
  type NoiseSchedule,
  rectified,
  rescaleToZeroTerminalSnr,
  trailing,
  varianceExploding,
} from '@diffusion-ts/schedules';
import { type Denoiser, finish, type PerExample, rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '../src/conformance/eventually.js';
import { autoguided, ddim, energyGuided, energyOfX0, guided, inpainted, labelEnergy } from '../src/index.js';

/** Components of two classes in the plane. */
const PARTS = [
  { weight: 1, mean: [-1, 0.2], deviation: 0.4, label: 0 },
  { weight: 3, mean: [0.5, 0.4], deviation: 0.5, label: 1 },
  { weight: 2, mean: [0.1, -0.8], deviation: 0.3, label: 0 },
];
const mixture = exactGaussianMixture({
  weights: PARTS.map(({ weight }) => weight),
  means: PARTS.map(({ mean }) => mean),
  deviations: PARTS.map(({ deviation }) => deviation),
  labels: PARTS.map(({ label }) => label),
});

/** ∇ ln q(x_t | label) in float64, of all of them without a label. */
function score(x: readonly number[], { alpha, sigma }: NoiseLevel, label?: number): number[] {
  const parts = PARTS.filter((part) => label === undefined || part.label === label).map(
    ({ weight, mean, deviation }) => {
      const variance = (alpha * deviation) ** 2 + sigma ** 2;
      const slope = x.map((y, d) => (alpha * mean[d]! - y) / variance);
      const squares = slope.reduce((sum, y) => sum + y ** 2, 0) * variance;
      return { odds: (weight / variance) * Math.exp(-squares / 2), slope };
    },
  );
  const total = parts.reduce((sum, { odds }) => sum + odds, 0);
  return x.map((_, d) => parts.reduce((sum, { odds, slope }) => sum + (odds / total) * slope[d]!, 0));
}

const X = [
  [0.3, -0.5],
  [-0.9, 0.4],
  [1.1, 0.2],
];
const LABELS = [0, 1, 1];

const FRAMES: readonly (readonly [string, NoiseSchedule, Prediction, number])[] = [
  ['ε on the cosine', cosine({ steps: 20 }), epsilonPrediction, 9],
  ['x_0 on the cosine', cosine({ steps: 20 }), x0Prediction, 9],
  ['v on the cosine', cosine({ steps: 20 }), vPrediction, 12.5],
  ['the mean of the step before', linear({ steps: 20, end: 0.3 }), previousMeanPrediction, 12],
  ['EDM', varianceExploding(), edmPrediction(), 0.8],
  ['rectified flow', rectified(), flowPrediction, 0.4],
];

const exact = (schedule: NoiseSchedule, predicts: Prediction, denoiser?: Denoiser): GaussianReverseProcess =>
  reverseProcess({
    forward: gaussianDiffusion(schedule),
    denoiser: denoiser ?? mixture.denoiser(schedule, predicts),
    predicts,
    variance: fixedSmall,
  });

/** ε̂ and x̂_0 at x_t, freed with the tidy around it. */
function asked(reverse: GaussianReverseProcess, t: PerExample, labels: readonly number[] | null = LABELS) {
  const condition = labels && { label: tf.tensor1d([...labels], 'int32') };
  const evaluation = atOnce(reverse.evaluate(tf.tensor2d(X), t, condition ?? undefined));
  return { epsilon: evaluation.epsilon(), x0: evaluation.x0() };
}

let empty: { label: tf.Tensor1D };
beforeEach(() => {
  empty = { label: tf.tensor1d([2], 'int32') };
});
afterEach(() => empty.label.dispose());

onEachBackend(() => {
  describe.each(FRAMES)('with %s', (_, schedule, predicts, t) => {
    const level = schedule.level(t);
    const reverse = exact(schedule, predicts);
    // Errors of float32, larger where x_t is the sum of a small and a large term.
    const close = { relative: 1e-4, absolute: 2e-4 };
    const noise = (slopes: readonly (readonly number[])[]): number[] =>
      slopes.flat().map((slope) => -level.sigma * slope);

    test('guidance has the score of p(x | c)^{1 + w} / p(x)^w', () => {
      for (const scale of [-1, 0.5, 3]) {
        const slopes = X.map((x, i) => {
          const [own, all] = [score(x, level, LABELS[i]!), score(x, level)];
          return own.map((s, d) => (1 + scale) * s - scale * all[d]!);
        });
        tf.tidy(() =>
          expectAllClose(asked(guided(reverse, { scale, empty }), t).epsilon, noise(slopes), close),
        );
      }
    });

    test('autoguidance goes as far from the bad denoiser as the good one does, and on', () => {
      // The bad one takes every example for one of class 0.
      const bad: Denoiser = (xt, told) =>
        tf.tidy(() =>
          mixture.denoiser(schedule, predicts)(xt, told, { label: tf.zeros([xt.shape[0]!], 'int32') }),
        );
      const slopes = X.map((x, i) => {
        const [good, worse] = [score(x, level, LABELS[i]!), score(x, level, 0)];
        return good.map((s, d) => 2.5 * s - 1.5 * worse[d]!);
      });
      tf.tidy(() => {
        expectAllClose(asked(autoguided(reverse, { scale: 1.5, bad }), t).epsilon, noise(slopes), close);
      });
    });

    test('the classifier that obeys Bayes makes of the free denoiser the conditional one', () => {
      // The network is told nothing of the class.
      const free = { ...reverse, denoiser: ((xt, told) => reverse.denoiser(xt, told)) as Denoiser };
      for (const scale of [1, 2]) {
        const energy = labelEnergy(mixture.classifier(schedule));
        const slopes = X.map((x, i) => {
          const [own, all] = [score(x, level, LABELS[i]!), score(x, level)];
          return all.map((s, d) => s + scale * (own[d]! - s));
        });
        tf.tidy(() => {
          const led = asked(energyGuided(free, { energy, scale }), t);
          expectAllClose(led.epsilon, noise(slopes), close);
          // At scale 1 that is the answer of the network that is told the class.
          if (scale === 1) expectAllClose(led.x0, asked(reverse, t).x0, close);
        });
      }
    });
  });

  test('an energy in x_t, that of what is known of x_0, makes the posterior of Gaussian data exact', () => {
    const [mean, deviation, y, tau] = [0.4, 0.6, 1.3, 0.5];
    const gaussian = exactGaussian({ mean, deviation });
    for (const [, schedule, predicts, t] of FRAMES) {
      const { alpha, sigma } = schedule.level(t);
      const marginal = (alpha * deviation) ** 2 + sigma ** 2;
      const [gain, spread] = [(alpha * deviation ** 2) / marginal, (deviation * sigma) ** 2 / marginal];
      // −ln E[N(y; x_0, τ²) | x_t], element by element: x_0 given x_t is N(x̂_0, spread).
      const energy = (x: tf.Tensor): tf.Tensor => {
        const x0 = tf.add(tf.mul(tf.sub(x, alpha * mean), gain), mean);
        return tf.sum(tf.div(tf.square(tf.sub(x0, y)), 2 * (spread + tau ** 2)), 1);
      };
      const reverse = exact(schedule, predicts, gaussian.denoiser(schedule, predicts));
      // x_0 of precision 1/s², seen with noise σ/α as x_t/α and with noise τ as y.
      const expected = X.flat().map((x) => {
        const precisions = [1 / deviation ** 2, (alpha / sigma) ** 2, 1 / tau ** 2];
        const [a, b, c] = precisions as [number, number, number];
        return (a * mean + (b * x) / alpha + c * y) / (a + b + c);
      });
      tf.tidy(() => {
        expectAllClose(asked(energyGuided(reverse, { energy }), t).x0, expected, { absolute: 2e-4 });
      });
    }
  });

  test('an energy in x̂_0 is differentiated through the network', () => {
    const [mean, deviation, y] = [0.4, 0.6, 1.3];
    for (const [, schedule, predicts, t] of FRAMES) {
      const { alpha, sigma } = schedule.level(t);
      const gain = (alpha * deviation ** 2) / ((alpha * deviation) ** 2 + sigma ** 2);
      const gaussian = exactGaussian({ mean, deviation });
      const reverse = exact(schedule, predicts, gaussian.denoiser(schedule, predicts));
      const energy = energyOfX0(reverse, (x0) => tf.sum(tf.square(tf.sub(x0, y)), 1));
      const expected = X.flat().map((x) => {
        const x0 = mean + gain * (x - alpha * mean);
        return x0 - ((3 * sigma ** 2) / alpha) * gain * 2 * (x0 - y);
      });
      tf.tidy(() => {
        const led = energyGuided(reverse, { energy, scale: 3 });
        expectAllClose(asked(led, t).x0, expected, { relative: 1e-4, absolute: 2e-4 });
      });
    }
  });

  test('guidance may be led once more, and clips last', () => {
    const [schedule, t] = [cosine({ steps: 20 }), 9];
    const reverse = exact(schedule, vPrediction);
    const towards = (x: tf.Tensor): tf.Tensor => tf.sum(tf.mul(x, tf.tensor1d([0.4, -0.2])), 1);
    tf.tidy(() => {
      const led = energyGuided(guided(reverse, { scale: 1, empty }), { energy: towards });
      const { alpha, sigma } = schedule.level(t);
      const once = asked(guided(reverse, { scale: 1, empty }), t).x0;
      const expected = tf.sub(once, tf.mul(tf.tensor1d([0.4, -0.2]), sigma ** 2 / alpha));
      expectAllClose(asked(led, t).x0, expected, { absolute: 1e-5 });
      expectAllClose(asked({ ...led, clip: [-0.3, 0.3] }, t).x0, tf.clipByValue(expected, -0.3, 0.3), {
        absolute: 1e-5,
      });
    });
  });
});

onEachBackend(() => {
  const schedule = rectified();
  // σ/α is 1 in the middle of the straight path.
  const interval = [schedule.level(0.3).sigma / schedule.level(0.3).alpha, 1] as const;
  const counting = (seen: number[]): GaussianReverseProcess => {
    const reverse = exact(schedule, flowPrediction);
    return {
      ...reverse,
      denoiser: (xt, told, condition) => {
        seen.push(xt.shape[0]!);
        return reverse.denoiser(xt, told, condition);
      },
    };
  };

  test('outside of its interval guidance is the network alone, asked once about each example, to the last bit', () => {
    const plain = exact(schedule, flowPrediction);
    for (const [t, inside] of [
      [0.2, false],
      [0.3, false],
      [0.31, true],
      [0.5, true],
      [0.51, false],
      [0.95, false],
    ] as const) {
      const seen: number[] = [];
      const led = guided(counting(seen), { scale: 2, empty, interval });
      tf.tidy(() => {
        const [mine, free] = [asked(led, t), asked(plain, t)];
        const always = asked(guided(plain, { scale: 2, empty }), t);
        expect(seen).toEqual([inside ? 6 : 3]);
        expect([...mine.x0.dataSync()]).toEqual([...(inside ? always : free).x0.dataSync()]);
      });
    }
  });

  test('of a batch at several times those within the interval are guided', () => {
    const plain = exact(schedule, flowPrediction);
    tf.tidy(() => {
      const t = Float64Array.of(0.2, 0.4, 0.9);
      const mine = asked(guided(plain, { scale: 2, empty, interval }), t).x0.arraySync() as number[][];
      const [free, led] = [plain, guided(plain, { scale: 2, empty })].map(
        (reverse) => asked(reverse, t).x0.arraySync() as number[][],
      );
      [free![0]!, led![1]!, free![2]!].forEach((row, i) => {
        expectAllClose(mine[i]!, row, { absolute: 1e-5 });
      });
      expect(Math.abs(led![0]![0]! - free![0]![0]!)).toBeGreaterThan(0.01);
    });
  });

  test('pure noise is above every interval that ends', () => {
    const seen: number[] = [];
    const led = guided(counting(seen), { scale: 2, empty, interval: [0, 1e9] });
    tf.tidy(() => asked(led, 1));
    expect(seen).toEqual([3]);
  });

  test('rescaled, an example keeps the deviation of its unguided x̂_0, as far as is asked', () => {
    const deviations = (x: tf.Tensor): number[] =>
      (x.arraySync() as number[][]).map(([a, b]) => Math.abs(a! - b!) / 2);
    for (const [, schedule, predicts, t] of FRAMES) {
      const reverse = exact(schedule, predicts);
      const led = (rescale: number): tf.Tensor => asked(guided(reverse, { scale: 2, empty, rescale }), t).x0;
      tf.tidy(() => {
        const [free, full] = [asked(reverse, t).x0, led(0)];
        const [of, away] = [deviations(free), deviations(full)];
        expect(Math.abs(of[0]! / away[0]! - 1)).toBeGreaterThan(0.02);
        for (const rescale of [1, 0.7]) {
          const kept = led(rescale);
          expectAllClose(
            deviations(kept),
            of.map((deviation, i) => rescale * deviation + (1 - rescale) * away[i]!),
            { relative: 1e-3, absolute: 2e-4 },
          );
          // It is x̂_0 itself that is made smaller.
          const factors = tf.div(tf.slice(kept, [0, 0], [-1, 1]), tf.slice(full, [0, 0], [-1, 1]));
          expectAllClose(kept, tf.mul(full, factors), { relative: 1e-3, absolute: 2e-4 });
        }
      });
    }
  });

  test('a learned variance is the good one’s, whoever is asked beside it', () => {
    const forward = gaussianDiffusion(cosine({ steps: 20 }));
    const network =
      (factor: number): Denoiser =>
      (xt) =>
        tf.concat([tf.mul(xt, factor), tf.mul(xt, 10 * factor)], -1);
    const reverse = reverseProcess({
      forward,
      denoiser: network(1),
      predicts: x0Prediction,
      variance: learnedRange,
    });
    const { alpha, sigma } = forward.schedule.level(5);
    const energy = (x: tf.Tensor): tf.Tensor => tf.sum(x, 1);
    for (const [led, expected] of [
      [autoguided(reverse, { scale: 1, bad: network(3) }), (x: number) => x + (x - 3 * x)],
      [energyGuided(reverse, { energy }), (x: number) => x - sigma ** 2 / alpha],
    ] as const) {
      tf.tidy(() => {
        const { prediction, raw } = atOnce(led.evaluate(tf.tensor2d(X), 5));
        expectAllClose(prediction, X.flat().map(expected), { absolute: 1e-5 });
        expectAllClose(
          raw!,
          X.flat().map((x) => 10 * x),
        );
      });
    }
  });

  test('at pure noise an energy moves nothing', () => {
    const zeroSnr = rescaleToZeroTerminalSnr(cosine({ steps: 20 }));
    const reverse = exact(zeroSnr, vPrediction);
    tf.tidy(() => {
      const led = energyGuided(reverse, { energy: (x) => tf.sum(tf.square(x), 1) });
      expectAllClose(asked(led, 19).x0, asked(reverse, 19).x0);
    });
  });

  for (const [what, of] of [
    ['answers at once', (network) => network],
    ['answers later', eventually],
    ['hands back its input', () => (xt) => xt],
    ['fails', () => () => expect.fail('no network')],
    ['fails later', () => eventually(() => expect.fail('no network'))],
  ] satisfies (readonly [string, (network: Denoiser) => Denoiser])[]) {
    test(`around a network that ${what} nothing is left behind, nor beside one`, async () => {
      const schedule = cosine({ steps: 20 });
      const plain = exact(schedule, vPrediction);
      const strange = { ...plain, denoiser: of(plain.denoiser) };
      const energy = labelEnergy(mixture.classifier(schedule));
      const processes = [
        guided(strange, { scale: 1, empty, rescale: 0.5 }),
        autoguided(strange, { scale: 1, bad: plain.denoiser }),
        autoguided(plain, { scale: 1, bad: of(plain.denoiser), rescale: 0.5 }),
        energyGuided(strange, { energy }),
      ];
      const condition = { label: tf.tensor1d(LABELS, 'int32') };
      const xT = tf.tensor2d(X);
      for (const reverse of processes) {
        await expectNoLeak(async () => {
          const run = finish(ddim({ times: trailing(2) })(reverse, xT, { condition }));
          const answer = await run.catch((error: unknown) => {
            expect(what).toMatch(/fails/);
            expect(error).toMatchObject({ message: 'no network' });
          });
          return [answer ?? []];
        });
      }
      tf.dispose([xT, condition.label]);
    });
  }

  test('a sampler that is aborted in the middle of guidance frees all that it had', async () => {
    const reverse = exact(cosine({ steps: 20 }), vPrediction);
    const led = energyGuided(guided(reverse, { scale: 1, empty }), {
      energy: energyOfX0(reverse, (x0) => tf.sum(x0, 1)),
    });
    const [xT, label] = [rng(1).normal([3, 2]), tf.tensor1d(LABELS, 'int32')];
    const before = tf.memory().numTensors;
    const controller = new AbortController();
    const run = ddim({ times: trailing(4) })(led, xT, { signal: controller.signal, condition: { label } });
    await run.next();
    controller.abort(new Error('enough'));
    await expect(run.next()).rejects.toThrow('enough');
    expect(tf.memory().numTensors).toBe(before);
    tf.dispose([xT, label]);
  });

  test('what cannot guide is refused in a sentence', () => {
    const reverse = exact(cosine({ steps: 20 }), vPrediction);
    const at =
      (led: GaussianReverseProcess, labels: number[] | null = LABELS) =>
      () =>
        tf.tidy(() => asked(led, 5, labels));
    for (const interval of [
      [1, 1],
      [2, 1],
      [Number.NaN, 1],
    ] as [number, number][]) {
      expect(() => guided(reverse, { scale: 1, empty, interval })).toThrow(
        `interval must be two noises σ/α, the lower first, not [${interval[0]}, ${interval[1]}]`,
      );
    }
    for (const rescale of [-0.1, 1.1, Number.NaN]) {
      expect(() => guided(reverse, { scale: 1, empty, rescale })).toThrow(
        `rescale must be from 0 to 1, not ${rescale}`,
      );
    }
    expect(() => autoguided(reverse, { scale: 1, bad: 'runs/small' as never })).toThrow(
      new TypeError('bad must be a function of (xt, told, condition), not runs/small'),
    );
    const bad: Denoiser = (xt) => tf.concat([xt, xt], 1);
    expect(at(autoguided(reverse, { scale: 1, bad }))).toThrow(
      'the denoiser must return shape [3,2] for xt of shape [3,2] and fixedSmall variance, not [3,4]',
    );
    expect(() => energyGuided(reverse, { energy: (x) => tf.sum(x, 1), scale: Number.NaN })).toThrow(
      'scale must be a finite number, not NaN',
    );
    expect(at(energyGuided(reverse, { energy: (x) => tf.sum(x) }))).toThrow(
      'energy must return one number for each example, shape [3], not []',
    );
    const energy = labelEnergy(mixture.classifier(cosine({ steps: 20 })));
    expect(at(energyGuided(reverse, { energy }), null)).toThrow(
      new TypeError('condition.label is missing, and a classifier needs one to guide to'),
    );
    const known = tf.tensor2d([[1, 0]], [1, 2], 'bool');
    const kept = inpainted(reverse, { image: known, known }) as unknown as GaussianReverseProcess;
    expect(at(energyGuided(kept, { energy: (x) => tf.sum(x, 1) }))).toThrow(
      'guide first, and inpaint what is guided',
    );
    known.dispose();
    // Before the interval is reached, too: else a run would fail in its middle.
    expect(at(guided(reverse, { scale: 1, empty, interval: [0, 1e-9] }), null)).toThrow(
      'condition is missing',
    );
  });
}, ['cpu']);
