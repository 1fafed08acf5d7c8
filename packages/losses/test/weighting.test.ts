import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import {
  edmPrediction,
  epsilonPrediction,
  fixedSmall,
  flowPrediction,
  PREDICTIONS,
  type Prediction,
  previousMeanPrediction,
  reverseProcess,
  vPrediction,
  x0Prediction,
} from '@diffusion-ts/reverse-process';
import {
  between,
  continuous,
  cosine,
  linear,
  type NoiseLevel,
  type NoiseSchedule,
  rectified,
  rescaleToZeroTerminalSnr,
  varianceExploding,
} from '@diffusion-ts/schedules';
import { axpby, mapExamples } from '@diffusion-ts/tensor';
import { expectAllClose, onEachBackend, useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  maxSnrOne,
  minSnr,
  p2,
  sigmoidWeighting,
  simple,
  snrPlusOne,
  softMinSnr,
  unweighted,
  type Weighting,
  x0Snr,
} from '../src/index.js';

const discrete = cosine({ steps: 20 });
const preserving: readonly NoiseSchedule[] = [
  discrete,
  linear({ steps: 50 }),
  continuous((u) => 10 - 20 * u),
];
const schedules: readonly NoiseSchedule[] = [...preserving, varianceExploding(), rectified({ shift: 3 })];

const weightings: readonly Weighting[] = [
  x0Snr,
  maxSnrOne,
  snrPlusOne,
  minSnr(),
  minSnr(0.3),
  softMinSnr(),
  softMinSnr(0.3),
  p2(),
  p2({ k: 2, gamma: 0.5 }),
  sigmoidWeighting(),
  sigmoidWeighting(2),
];

/** A schedule and times of it, not all the way to either end. */
const somewhere = (among: readonly NoiseSchedule[]) =>
  fc
    .record({
      schedule: fc.constantFrom(...among),
      parts: fc.array(fc.double({ min: 0.02, max: 0.98, noNaN: true }), { minLength: 3, maxLength: 3 }),
    })
    .map(({ schedule, parts }) => {
      const time = (part: number) => schedule.least + part * (schedule.end - schedule.least);
      return {
        schedule,
        t: Float64Array.from(parts, (part) =>
          schedule.steps === undefined ? time(part) : Math.round(time(part)),
        ),
      };
    });

/** The weight of an error of what is predicted at a time. */
const at = (weighting: Weighting, predicts: Prediction, schedule: NoiseSchedule, t: number): number => {
  const level = schedule.level(t);
  return weighting(level, predicts.at(level, schedule));
};

describe('at α = 0.6, σ = 0.8, where SNR is 9/16, an error of', () => {
  const level: NoiseLevel = { t: 7, alpha: 0.6, sigma: 0.8, logSnr: Math.log(9 / 16) };
  // What each weighs an error of x_0 with, worked out by hand.
  const table = [
    ['x0Snr', x0Snr, 9 / 16],
    ['maxSnrOne', maxSnrOne, 1],
    ['snrPlusOne', snrPlusOne, 25 / 16],
    ['minSnr(5)', minSnr(5), 9 / 16],
    ['minSnr(1/4)', minSnr(1 / 4), 1 / 4],
    ['softMinSnr(4)', softMinSnr(4), 36 / 73],
    ['softMinSnr(1)', softMinSnr(1), 9 / 25],
    ['p2()', p2(), 9 / 25],
    ['p2({ gamma: 1/2 })', p2({ gamma: 1 / 2 }), 9 / 20],
    ['p2({ k: 7/16, gamma: 3 })', p2({ k: 7 / 16, gamma: 3 }), 9 / 16],
    ['sigmoidWeighting(0)', sigmoidWeighting(0), 9 / 25],
    ['sigmoidWeighting(ln 3)', sigmoidWeighting(Math.log(3)), 9 / 19],
  ] as const;

  it.each([
    ['x0 weighs what each says', x0Prediction, 1],
    ['ε 16/9 of that', epsilonPrediction, 16 / 9],
    ['v 16/25 of that', vPrediction, 16 / 25],
    ['flow 16/49 of that', flowPrediction, 16 / 49],
    ['EDM’s F 16/73 of that', edmPrediction(), 16 / 73],
  ] as const)('%s', (_, predicts, outSquared) => {
    const coefficients = predicts.at(level, discrete);
    for (const [name, weighting, weight] of table) {
      expect(weighting(level, coefficients) / (weight * outSquared), name).toBeCloseTo(1, 12);
    }
    expect(unweighted(level, coefficients)).toBe(1);
  });
});

describe('at α = 0.8, σ = 0.6, where SNR is 16/9, an error of x_0', () => {
  const level: NoiseLevel = { t: 3, alpha: 0.8, sigma: 0.6, logSnr: Math.log(16 / 9) };
  it.each([
    ['maxSnrOne', maxSnrOne, 16 / 9],
    ['minSnr(1)', minSnr(1), 1],
    ['minSnr()', minSnr(), 16 / 9],
    ['softMinSnr()', softMinSnr(), 16 / 13],
    ['p2()', p2(), 16 / 25],
    // s(b − λ) SNR = SNR / (1 + e^−b SNR) with b = −1.
    ['sigmoidWeighting()', sigmoidWeighting(), 16 / (9 + 16 * Math.E)],
  ] as const)('weighs %s', (_, weighting, weight) => {
    expect(weighting(level, x0Prediction.at(level, discrete))).toBeCloseTo(weight, 12);
  });
});

describe('on a discrete schedule', () => {
  const times = Array.from({ length: 20 }, (_, t) => t);
  const snr = times.map((t) => Math.exp(discrete.level(t).logSnr));

  it('min-SNR-γ has the three forms of the paper', () => {
    const of = (predicts: Prediction) => times.map((t) => at(minSnr(5), predicts, discrete, t));
    expectAllClose(
      of(x0Prediction),
      snr.map((s) => Math.min(s, 5)),
    );
    expectAllClose(
      of(epsilonPrediction),
      snr.map((s) => Math.min(s, 5) / s),
    );
    expectAllClose(
      of(vPrediction),
      snr.map((s) => Math.min(s, 5) / (s + 1)),
    );
  });

  it('P2 weighs ε by 1/(k + SNR)^γ, and by nothing at γ = 0', () => {
    const of = (weighting: Weighting) => times.map((t) => at(weighting, epsilonPrediction, discrete, t));
    expectAllClose(
      of(p2({ k: 2, gamma: 0.5 })),
      snr.map((s) => 1 / Math.sqrt(2 + s)),
    );
    expectAllClose(of(p2({ gamma: 0 })), new Array(20).fill(1));
  });

  it('an error of the previous mean is one of x_0 times its factor in the posterior mean', () => {
    for (const t of times) {
      const { ofX0 } = between(discrete.level(t - 1), discrete.level(t));
      for (const weighting of weightings) {
        const ratio =
          at(weighting, previousMeanPrediction, discrete, t) / at(weighting, x0Prediction, discrete, t);
        expect(ratio * ofX0 ** 2).toBeCloseTo(1, 9);
      }
    }
  });
});

describe('whatever the schedule and the time', () => {
  const everywhere = (
    among: readonly NoiseSchedule[],
    fact: (weight: (weighting: Weighting, predicts: Prediction) => number, level: NoiseLevel) => void,
  ): void =>
    fc.assert(
      fc.property(somewhere(among), ({ schedule, t }) => {
        for (const time of t) {
          fact((weighting, predicts) => at(weighting, predicts, schedule, time), schedule.level(time));
        }
      }),
    );

  it('SNR on x_0 is no weight on ε', () => {
    everywhere(schedules, (weight) => {
      expect(weight(x0Snr, epsilonPrediction)).toBeCloseTo(1, 12);
    });
  });

  it('SNR + 1 on x_0 is no weight on v where α² + σ² = 1, and there alone', () => {
    everywhere(preserving, (weight) => {
      expect(weight(snrPlusOne, vPrediction)).toBeCloseTo(1, 12);
    });
    everywhere(schedules, (weight, { alpha, sigma }) => {
      expect(weight(snrPlusOne, vPrediction) * (alpha ** 2 + sigma ** 2)).toBeCloseTo(1, 12);
    });
  });

  it('the sigmoid weighting of ε is s(b − λ), which is soft min-SNR with γ = e^b', () => {
    for (const bias of [-3, -1, 0, 2]) {
      everywhere(schedules, (weight, { logSnr }) => {
        const sigmoid = weight(sigmoidWeighting(bias), epsilonPrediction);
        expect(sigmoid * (1 + Math.exp(logSnr - bias))).toBeCloseTo(1, 10);
        expect(weight(softMinSnr(Math.exp(bias)), epsilonPrediction) / sigmoid).toBeCloseTo(1, 10);
      });
    }
  });

  it('soft min-SNR on EDM’s F is (σσ_d)²/(σ² + σ_d²)² with γ = 1/σ_d², as in k-diffusion', () => {
    for (const sigmaData of [0.5, 1, 2]) {
      everywhere([varianceExploding()], (weight, { sigma }) => {
        const expected = (sigma * sigmaData) ** 2 / (sigma ** 2 + sigmaData ** 2) ** 2;
        const actual = weight(softMinSnr(1 / sigmaData ** 2), edmPrediction({ sigmaData }));
        expect(actual / expected).toBeCloseTo(1, 10);
      });
    }
  });

  it('soft min-SNR lies between half of min-SNR and all of it', () => {
    everywhere(schedules, (weight) => {
      for (const gamma of [0.3, 4]) {
        const ratio = weight(softMinSnr(gamma), x0Prediction) / weight(minSnr(gamma), x0Prediction);
        expect(ratio).toBeGreaterThanOrEqual(0.5 - 1e-12);
        expect(ratio).toBeLessThan(1);
      }
    });
  });
});

it('weights are finite where no signal is left, and the loss refuses those that fall with SNR, which are 0', async () => {
  await useBackend('cpu');
  const dark = rescaleToZeroTerminalSnr(cosine({ steps: 20 }));
  for (const predicts of [
    x0Prediction,
    vPrediction,
    flowPrediction,
    previousMeanPrediction,
    edmPrediction(),
  ]) {
    for (const weighting of [x0Snr, minSnr(), softMinSnr(), p2(), sigmoidWeighting()]) {
      expect(at(weighting, predicts, dark, 19)).toBe(0);
      // EDM's network would be told an infinite time there.
      if (predicts.name === 'edm') continue;
      const forward = gaussianDiffusion(dark);
      const reverse = reverseProcess({ forward, denoiser: tf.zerosLike, predicts, variance: fixedSmall });
      tf.tidy(() => {
        const [x0, noise] = [tf.ones([1, 2]), tf.fill([1, 2], 3)];
        expect(() => simple({ weighting })({ reverse, x0, noise, t: 19 })).toThrow(
          new RangeError(
            'the weighting is 0 at t = 19, where no signal is left, so that the first step of every sampler would never be trained: take one that weighs it, such as maxSnrOne or snrPlusOne',
          ),
        );
        expect(simple({ weighting })({ reverse, x0, noise, t: 18 }).perExample.dataSync()[0]).toBeGreaterThan(
          0,
        );
      });
    }
    const { out } = predicts.at(dark.level(19), dark);
    for (const weighting of [maxSnrOne, snrPlusOne]) {
      expect(at(weighting, predicts, dark, 19)).toBeCloseTo(out ** 2, 12);
    }
  }
});

it('refuses parameters that would divide by zero or turn the loss around', () => {
  expect(() => minSnr(0)).toThrow(new RangeError('gamma must be positive, not 0'));
  expect(() => softMinSnr(-1)).toThrow(new RangeError('gamma must be positive, not -1'));
  expect(() => p2({ k: 0 })).toThrow(new RangeError('k must be positive, not 0'));
  expect(() => p2({ gamma: -1 })).toThrow(new RangeError('gamma must not be negative, not -1'));
  expect(() => sigmoidWeighting(Number.NaN)).toThrow(new RangeError('bias must be a number, not NaN'));
});

onEachBackend(() => {
  const x0 = () =>
    tf.tensor2d([
      [0.3, -0.8],
      [1, 0.2],
      [-0.5, 0.9],
    ]);
  const noise = () =>
    tf.tensor2d([
      [1.1, -0.4],
      [-1.3, 0.6],
      [0.2, 0.7],
    ]);
  /** What the network takes for x_0: a mixture of its elements and of the others’ examples. */
  const wrong = () => tf.add(tf.mul(x0(), 0.5), tf.mul(tf.reverse(x0(), [0, 1]), 0.3));

  /** L_simple of a network that believes in that x_0, and says so in the words of a prediction. */
  function lossOfBelief(
    weighting: Weighting,
    predicts: Prediction,
    schedule: NoiseSchedule,
    t: Float64Array,
  ): ArrayLike<number> {
    return tf.tidy(() => {
      const process = { forward: gaussianDiffusion(schedule), predicts, variance: fixedSmall };
      const words = reverseProcess({ ...process, denoiser: (x) => x });
      const xt = process.forward.sample(x0(), t, noise());
      const of = (f: (level: NoiseLevel) => number) => mapExamples(t, (time) => f(schedule.level(time)));
      const epsilon = axpby(
        of(({ sigma }) => 1 / sigma),
        xt,
        of(({ alpha, sigma }) => -alpha / sigma),
        wrong(),
      );
      const reverse = reverseProcess({ ...process, denoiser: () => words.target(wrong(), t, epsilon) });
      return simple({ weighting })({ reverse, x0: x0(), t, noise: noise() }).perExample.dataSync();
    });
  }
  const squares = () => tf.tidy(() => tf.mean(tf.square(tf.sub(x0(), wrong())), 1).dataSync());

  it('a weighting is the same loss of x_0 whatever is predicted, at every level of every schedule', () => {
    const errors = squares();
    fc.assert(
      fc.property(
        somewhere(schedules),
        fc.constantFrom(...weightings),
        fc.constantFrom(...Object.values(PREDICTIONS), edmPrediction({ sigmaData: 2 })),
        ({ schedule, t }, weighting, predicts) => {
          // In continuous time there is no previous mean; and ε says nothing of x_0 where a schedule ends without signal.
          fc.pre(predicts !== previousMeanPrediction || schedule.steps !== undefined);
          fc.pre(schedule.level(schedule.end).alpha > 0 || !['epsilon', 'edm'].includes(predicts.name));
          const expected = Array.from(
            t,
            (time, i) => at(weighting, x0Prediction, schedule, time) * errors[i]!,
          );
          expectAllClose(lossOfBelief(weighting, predicts, schedule, t), expected, {
            relative: 1e-3,
            absolute: 1e-6,
          });
        },
      ),
      { numRuns: 150 },
    );
  });

  it('without weighting, EDM’s F has the loss of Karras et al. 2022, λ(σ) ‖D − x_0‖² with λ = (σ² + σ_d²)/(σσ_d)²', () => {
    const errors = squares();
    const t = Float64Array.of(0.1, 2, 30);
    for (const sigmaData of [0.5, 1.5]) {
      const losses = lossOfBelief(unweighted, edmPrediction({ sigmaData }), varianceExploding(), t);
      const expected = Array.from(
        t,
        (sigma, i) => ((sigma ** 2 + sigmaData ** 2) / (sigma * sigmaData) ** 2) * errors[i]!,
      );
      expectAllClose(losses, expected, { relative: 1e-4 });
    }
    // By hand: λ(2) = 4.25 for σ_d = ½.
    expectAllClose(lossOfBelief(unweighted, edmPrediction(), varianceExploding(), t)[1]! / errors[1]!, 4.25, {
      relative: 1e-4,
    });
  });
});
