import { between, linear, rectified, rescaleToZeroTerminalSnr } from '@diffusion-ts/schedules';
import { expectAllClose, golden } from '@diffusion-ts/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { edmPrediction, PREDICTIONS, type Prediction, trainedOn } from '../src/index.js';
import { PAIRS, type PredictionName, SCHEDULES } from './schedules.js';

const { epsilon, x0, v, flow, edm, previous } = PREDICTIONS;
const schedule = linear({ steps: 100 });
/** A level of the triangle 3, 4, 5. */
const level = { t: 50, alpha: 0.6, sigma: 0.8, logSnr: 2 * Math.log(0.6 / 0.8) };

function expectAt(prediction: Prediction, expected: Record<string, number>): void {
  const found = prediction.at(level, schedule);
  expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort());
  for (const [name, value] of Object.entries(expected)) {
    expectAllClose(found[name as keyof typeof found]!, value, { relative: 1e-14, absolute: 0 });
  }
}

/** What a network of each prediction should say, from its paper. */
const SAYS: Record<
  PredictionName,
  (at: { alpha: number; sigma: number; x0: number; epsilon: number }) => number
> = {
  epsilon: ({ epsilon }) => epsilon,
  x0: ({ x0 }) => x0,
  v: ({ alpha, sigma, x0, epsilon }) => alpha * epsilon - sigma * x0,
  flow: ({ x0, epsilon }) => epsilon - x0,
  // Table 1 of Karras et al. 2022, of y = x_0 + (σ/α) ε: D = c_skip y + c_out F.
  edm({ alpha, sigma, x0, epsilon }) {
    const [s, data] = [sigma / alpha, 0.5];
    const skip = data ** 2 / (s ** 2 + data ** 2);
    const out = (s * data) / Math.sqrt(data ** 2 + s ** 2);
    return (x0 - skip * (x0 + s * epsilon)) / out;
  },
  previous: () => Number.NaN,
};

it('the table has every prediction under its own name', () => {
  expect(Object.keys(PREDICTIONS)).toEqual(['epsilon', 'x0', 'v', 'flow', 'edm', 'previous']);
  for (const [name, prediction] of Object.entries(PREDICTIONS)) expect(prediction.name).toBe(name);
});

it('ε is taken off and the rest scaled up: 1/α and −σ/α', () => {
  expectAt(epsilon, { skip: 1 / 0.6, out: -4 / 3 });
});

it('x_0 is the answer itself: 0 and 1', () => expectAt(x0, { skip: 0, out: 1 }));

it('v has α/(α² + σ²) and −σ/(α² + σ²), which where α² + σ² = 1 is α and −σ', () => {
  expectAt(v, { skip: 0.6, out: -0.8 });
});

it('flow has 1/(α + σ) and −σ/(α + σ), and is told 1000 σ/(α + σ)', () => {
  expectAt(flow, { skip: 1 / 1.4, out: -0.8 / 1.4, told: 800 / 1.4 });
  const straight = rectified();
  expect(flow.at(straight.level(0.25), straight).told).toBe(250);
});

it('flow tells a network what diffusers tells it at every level, shifted or not', () => {
  type Row = { name: string; timesteps: number[]; sigmas: number[] };
  const rows = golden<{ rows: Row[] }>('flow').rows.filter(({ name }) => !name.includes('DPM'));
  expect(rows.length).toBe(6);
  const straight = rectified();
  for (const { timesteps, sigmas } of rows) {
    const told = sigmas.slice(0, -1).map((sigma) => flow.at(straight.level(sigma), straight).told!);
    expectAllClose(told, timesteps, { relative: 1e-6, absolute: 0 });
  }
});

it('edm has the four numbers of table 1 of Karras et al., σ/α and x/α standing for σ and x', () => {
  const power = 0.64 + 0.25 * 0.36;
  expectAt(edm, {
    skip: (0.6 * 0.25) / power,
    out: (0.8 * 0.5) / Math.sqrt(power),
    in: 1 / Math.sqrt(power),
    told: Math.log(0.8 / 0.6) / 4,
  });
  const { schedule, sigma } = { schedule: SCHEDULES['variance exploding'], sigma: 3 };
  const found = edmPrediction({ sigmaData: 0.7 }).at(schedule.level(sigma), schedule);
  expectAllClose(
    [found.skip, found.out, found.in!, found.told!],
    [0.49 / 9.49, 2.1 / Math.sqrt(9.49), 1 / Math.sqrt(9.49), Math.log(3) / 4],
    { relative: 1e-14, absolute: 0 },
  );
});

it('the previous mean is solved for x_0: −ofXt/ofX0 and 1/ofX0, and is the mean at t − 1', () => {
  const ends = rescaleToZeroTerminalSnr(schedule);
  for (const s of [schedule, ends]) {
    let alphaBarBefore = 1;
    s.betas.forEach((beta, t) => {
      // Eq. 7 of Ho et al. 2020, with its own ᾱ.
      const alphaBar = alphaBarBefore * (1 - beta);
      const ofX0 = (Math.sqrt(alphaBarBefore) * beta) / (1 - alphaBar);
      const ofXt = (Math.sqrt(1 - beta) * (1 - alphaBarBefore)) / (1 - alphaBar);
      const { skip, out, meanAt } = previous.at(s.level(t), s);
      expectAllClose([skip, out], [-ofXt / ofX0, 1 / ofX0], { relative: 1e-9, absolute: 1e-12 });
      expect(meanAt).toBe(t - 1);
      alphaBarBefore = alphaBar;
    });
  }
});

it('the previous mean asks for a schedule of steps', () => {
  const continuous = SCHEDULES.continuous;
  expect(() => previous.at(continuous.level(0.5), continuous)).toThrow(
    new RangeError(
      'a network that predicts the previous mean needs a discrete schedule: in continuous time there is no previous step',
    ),
  );
});

it('the previous mean is that of its own schedule, and cannot be seen from another', () => {
  const straight = rectified();
  expect(() => trainedOn(schedule, previous).at(straight.level(0.5), straight)).toThrow(
    new RangeError('a network that predicts the previous mean can be asked on its own schedule alone'),
  );
});

it('edm refuses a deviation of the data that is none', () => {
  for (const sigmaData of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    expect(() => edmPrediction({ sigmaData })).toThrow(
      new RangeError(`sigmaData must be a positive number, not ${sigmaData}`),
    );
  }
});

describe.each(PAIRS)('%s on the %s schedule', (name, scheduleName) => {
  const schedule = SCHEDULES[scheduleName];
  const part = fc.double({ min: 0, max: 1, noNaN: true });

  it('x_0 = skip · x_t + out · F, whatever x_0, ε and the time', () => {
    fc.assert(
      fc.property(part, part, part, (u, a, b) => {
        const { least, end } = schedule;
        const level = schedule.level(least + u * (end - least));
        const { alpha, sigma } = level;
        const [x0, epsilon] = [4 * a - 2, 4 * b - 2];
        const xt = alpha * x0 + sigma * epsilon;
        let says = SAYS[name]({ alpha, sigma, x0, epsilon });
        if (name === 'previous') {
          const { ofX0, ofXt } = between(schedule.level(level.t - 1), level);
          says = ofX0 * x0 + ofXt * xt;
        }
        const { skip, out } = PREDICTIONS[name].at(level, schedule);
        const rounding = 1e-13 * (Math.abs(skip * xt) + Math.abs(out * says) + 1);
        expectAllClose(skip * xt + out * says, x0, { relative: 0, absolute: rounding });
      }),
    );
  });
});

describe.each([0.5, 1.7])('edm on data of deviation %s', (sigmaData) => {
  it.each(PAIRS.filter(([name]) => name === 'edm').map(([, schedule]) => schedule))(
    'gives the network input and target of unit variance at every level: %s',
    (scheduleName) => {
      const schedule = SCHEDULES[scheduleName];
      const { least, end } = schedule;
      for (let u = 0; u <= 1; u += 1 / 64) {
        const level = schedule.level(least + u * (end - least));
        const { alpha, sigma } = level;
        const at = edmPrediction({ sigmaData }).at(level, schedule);
        // Of x_0 = σ_d z and ε independent: the variance of a x_0 + b ε is a² σ_d² + b².
        const variance = (ofX0: number, ofEpsilon: number): number =>
          (ofX0 * sigmaData) ** 2 + ofEpsilon ** 2;
        const input = variance(at.in! * alpha, at.in! * sigma);
        const target = variance((1 - at.skip * alpha) / at.out, (-at.skip * sigma) / at.out);
        expectAllClose([input, target], [1, 1], { relative: 1e-10, absolute: 0 });
      }
    },
  );
});
