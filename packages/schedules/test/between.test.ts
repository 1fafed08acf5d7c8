import { expectAllClose } from '@diffusion-ts/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Between,
  between,
  continuous,
  type DiscreteSchedule,
  fromBetas,
  linear,
  type NoiseSchedule,
} from '../src/index.js';
import { goldenRows, scheduleOf } from './golden-schedules.js';
import { preservingSchedules, schedules } from './levels.js';

/** q(x_{t−1} | x_t, x_0) and β of every step. */
function steps(s: DiscreteSchedule): Between[] {
  return Array.from(s.betas, (_, t) => between(s.level(t - 1), s.level(t)));
}

const betasOfAnySize = fc.array(fc.double({ min: 1e-9, max: 0.999, noNaN: true }), {
  minLength: 1,
  maxLength: 50,
});

describe.each(goldenRows)('between the steps of the golden schedule: $name, $steps steps', (row) => {
  const all = steps(scheduleOf(row));
  const pick = (name: keyof Between) => row.index.map((t) => all[t]![name]);
  const close = { relative: 1e-9, absolute: 1e-15 };

  it('has the reference posterior', () => {
    expectAllClose(pick('variance'), row.posterior_variance, close);
    expectAllClose(pick('ofX0'), row.posterior_mean_coef_x0, close);
    expectAllClose(pick('ofXt'), row.posterior_mean_coef_xt, close);
  });

  it('has the reference β', () => expectAllClose(pick('beta'), row.beta, close));
});

it('keeps all digits of a step of 1e-12, however late', () => {
  const betas = [...new Array(500).fill(0.02), 1e-12];
  const s = fromBetas(betas);
  const [before, after] = [s.level(499), s.level(500)];
  const { ofX0, ofXt, variance, beta } = between(before, after);
  const alphaBar = 0.98 ** 500;
  expectAllClose(
    [beta, variance, ofX0, ofXt],
    [1e-12, 1e-12, Math.sqrt(alphaBar) * (1e-12 / (1 - alphaBar)), 1],
    { relative: 1e-11, absolute: 0 },
  );
});

it('is finite where ᾱ is less than any number: the steps there are those of noise alone', () => {
  const s = fromBetas(new Array(300).fill(0.99));
  expect(s.level(298).alpha).toBe(0);
  expect(between(s.level(298), s.level(299))).toEqual({
    ofX0: 0,
    ofXt: Math.sqrt(1 - 0.99),
    variance: 0.99,
    beta: 0.99,
  });
  expect(between(s.level(250), s.level(299))).toEqual({ ofX0: 0, ofXt: 0, variance: 1, beta: 1 });
  for (const step of steps(s)) expect(Object.values(step).every(Number.isFinite)).toBe(true);
});

describe('between two levels', () => {
  it('has 13 digits of what the recursions of Ho et al. give for linear(1000)', () => {
    const s = linear({ steps: 1000 });
    let [alphaBar, variance] = [1, 0];
    for (let t = 0; t < 1000; t++) {
      const beta = s.betas[t]!;
      const [alphaBarBefore, varianceBefore] = [alphaBar, variance];
      alphaBar *= 1 - beta;
      variance += alphaBarBefore * beta;
      const { ofX0, ofXt, variance: posterior, beta: between_ } = between(s.level(t - 1), s.level(t));
      // Eq. 6 and 7 of Ho et al. 2020.
      expectAllClose(
        [ofX0, ofXt, posterior, between_],
        [
          (Math.sqrt(alphaBarBefore) * beta) / variance,
          (Math.sqrt(1 - beta) * varianceBefore) / variance,
          (varianceBefore / variance) * beta,
          beta,
        ],
        { relative: 1e-13, absolute: 0 },
      );
    }
  });

  it('has the posterior that Bayes gives for x_t | x_{t−1} and x_{t−1} | x_0', () => {
    fc.assert(
      fc.property(betasOfAnySize, (betas) => {
        const s = fromBetas(betas);
        let alphaBar = 1;
        steps(s).forEach(({ ofX0, ofXt, variance }, t) => {
          const before = alphaBar;
          const beta = betas[t]!;
          alphaBar *= 1 - beta;
          if (1 - before < 1e-6) return; // the subtraction here is too coarse
          // The product of two Gaussians in x_{t−1}: precisions add, means are weighted by them.
          const likelihood = (1 - beta) / beta;
          const prior = 1 / (1 - before);
          const bayes = 1 / (likelihood + prior);
          // A log-SNR of −300 has no more than 13 digits after its point, and so 1 − SNR_t/SNR_s.
          expectAllClose(
            [variance, ofXt, ofX0],
            [bayes, (bayes * likelihood) / Math.sqrt(1 - beta), bayes * prior * Math.sqrt(before)],
            { relative: 1e-8, absolute: 1e-13 },
          );
        });
      }),
    );
  });

  it('has a variance above 0 and at most β after the first step, which ends at x_0 itself', () => {
    fc.assert(
      fc.property(betasOfAnySize, (betas) => {
        const [first, ...others] = steps(fromBetas(betas));
        expect(first).toMatchObject({ ofX0: 1, ofXt: 0, variance: 0 });
        expectAllClose(first!.beta, betas[0]!, { relative: 1e-15, absolute: 0 });
        for (const { variance, beta } of others) {
          expect(variance).toBeGreaterThan(0);
          expect(variance).toBeLessThanOrEqual(beta);
        }
      }),
    );
  });

  it('keeps all digits of the variance while ᾱ is near 1', () => {
    expectAllClose(
      steps(fromBetas([1e-17, 1e-17, 1e-17])).map(({ variance }) => variance),
      [0, 1e-17 / 2, (1e-17 * 2) / 3],
      { relative: 1e-12, absolute: 0 },
    );
  });

  it('keeps all digits of a step that is next to nothing: 1 − SNR_t/SNR_s = 2⁻³⁰ (1 − 2⁻³¹)', () => {
    const s = continuous((u) => 1 - 2 * u);
    const half = s.level(0.5);
    const { variance } = between(half, s.level(0.5 + 2 ** -31));
    expectAllClose(variance / half.sigma ** 2, 2 ** -30 * (1 - 2 ** -31), { relative: 1e-15, absolute: 0 });
  });

  it('has β = α_t²/α_s² β_r + β_s of the two parts of a step of any size (1 − ᾱ_t/ᾱ_s of many)', () => {
    const s = linear({ steps: 1000 });
    const { beta } = between(s.level(99), s.level(899));
    let logAlpha = 0;
    for (let t = 100; t <= 899; t++) logAlpha += Math.log1p(-s.betas[t]!);
    expectAllClose(beta, -Math.expm1(logAlpha), { relative: 1e-13, absolute: 0 });
  });
});

const inside = fc.double({ min: 1e-3, max: 1, noNaN: true });
const levelAt = (s: NoiseSchedule, u: number) => s.level(s.start + u * (s.end - s.start));
/** Levels of a schedule at so many times, from the cleanest to the noisiest, none very near another. */
const apart = (s: NoiseSchedule, count: number) =>
  fc
    .uniqueArray(inside, { minLength: count, maxLength: count, selector: (u) => Math.round(u * 500) })
    .map((us) => us.sort((a, b) => a - b))
    .filter((us) => us.every((u, i) => i === 0 || u - us[i - 1]! > 1e-3))
    .map((us) => us.map((u) => levelAt(s, u)));
const close = { relative: 1e-9, absolute: 1e-12 };

describe.each(Object.entries(schedules))('between any two levels of every schedule, such as: %s', (_, s) => {
  it('the posterior times the marginal of x_t is the joint of x_s and x_t', () => {
    fc.assert(
      fc.property(apart(s, 2), ([clean, noisy]) => {
        const { ofX0, ofXt, variance } = between(clean!, noisy!);
        // Given x_0, E x_s = α_s x_0, var x_s = σ_s², cov(x_s, x_t) = (α_t/α_s) σ_s².
        expectAllClose(
          [ofX0 + ofXt * noisy!.alpha, variance + ofXt ** 2 * noisy!.sigma ** 2, ofXt * noisy!.sigma ** 2],
          [clean!.alpha, clean!.sigma ** 2, (noisy!.alpha / clean!.alpha) * clean!.sigma ** 2],
          close,
        );
      }),
    );
  });

  it('x_t made from x_s has the variance of x_t: σ_t² = (α_t/α_s)² σ_s² + β', () => {
    fc.assert(
      fc.property(apart(s, 2), ([clean, noisy]) => {
        const { beta } = between(clean!, noisy!);
        expectAllClose(
          (noisy!.alpha / clean!.alpha) ** 2 * clean!.sigma ** 2 + beta,
          noisy!.sigma ** 2,
          close,
        );
      }),
    );
  });

  it('two steps make one: β from r to t is (α_t/α_s)² times that from r to s, and that from s to t', () => {
    fc.assert(
      fc.property(apart(s, 3), ([r, s, t]) => {
        expectAllClose(
          between(r!, t!).beta,
          (t!.alpha / s!.alpha) ** 2 * between(r!, s!).beta + between(s!, t!).beta,
          close,
        );
      }),
    );
  });

  it('the data are the end of every path: x_s is x_0 there, and β is σ_t²', () => {
    fc.assert(
      fc.property(inside, (u) => {
        const level = levelAt(s, u);
        expect(between(s.level(s.start), level)).toEqual({
          ofX0: 1,
          ofXt: 0,
          variance: 0,
          beta: level.sigma ** 2,
        });
      }),
    );
  });
});

it.each(Object.entries(schedules).filter(([, s]) => s.level(s.end).alpha === 0))(
  'from pure noise x_t tells nothing, and x_s is q(x_s | x_0): %s',
  (_, s) => {
    fc.assert(
      fc.property(fc.double({ min: 1e-3, max: 0.99, noNaN: true }), (u) => {
        const level = levelAt(s, u);
        expect(between(level, s.level(s.end))).toEqual({
          ofX0: level.alpha,
          ofXt: 0,
          variance: level.sigma ** 2,
          beta: 1,
        });
      }),
    );
  },
);

it.each(Object.entries(preservingSchedules))('β = 1 − ᾱ_t/ᾱ_s where variance is preserved: %s', (_, s) => {
  fc.assert(
    fc.property(apart(s, 2), ([clean, noisy]) => {
      expectAllClose(between(clean!, noisy!).beta, 1 - (noisy!.alpha / clean!.alpha) ** 2, close);
    }),
  );
});
