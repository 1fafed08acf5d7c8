import { flowPrediction, vPrediction } from '@diffusion-ts/reverse-process';
import {
  every,
  linear,
  logSnrSpaced,
  rectified,
  rescaleToZeroTerminalSnr,
  trailing,
} from '@diffusion-ts/schedules';
import { rng } from '@diffusion-ts/tensor';
import { onEachBackend } from '@diffusion-ts/testing';
import { expect, test } from 'vitest';
import { distance } from '../src/conformance/batch.js';
import { FACTORS, NOISE, skewed } from '../src/conformance/mixing-data.js';
import {
  ancestral,
  ddim,
  deis,
  dpm2,
  dpm2Ancestral,
  dpmAdaptive,
  dpmSolverPlusPlus,
  dpmSolverPlusPlus2S,
  dpmSolverPlusPlus2SSde,
  dpmSolverPlusPlusSde,
  euler,
  eulerAncestral,
  heun,
  lms,
  pndm,
  rk45,
  SAMPLERS,
  type SamplerSettings,
  unipc,
} from '../src/index.js';
import { end, record } from './running.js';

const schedule = linear({ steps: 40, start: 1e-3, end: 0.3 });
const zeroSnr = rescaleToZeroTerminalSnr(linear({ steps: 100 }));

/** Two values of every setting, the first the default of most. */
const VALUES = { eta: [0, 0.7], order: [2, 3], churn: [0, 3], tolerance: [1e-4, 0.05] } as const satisfies {
  [name in Exclude<keyof SamplerSettings, 'times'>]-?: readonly unknown[];
};

const OWN_DEFAULTS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  lms: { order: 4 },
  'dpm-adaptive': { tolerance: 0.01 },
};

test('the names are those of the command line and of configs', () => {
  expect(Object.keys(SAMPLERS)).toEqual([
    'ancestral',
    'ddim',
    'euler',
    'euler-ancestral',
    'heun',
    'dpm2',
    'dpm2-ancestral',
    'lms',
    'pndm',
    'dpm-solver++',
    'dpm-solver++-2s',
    'dpm-solver++-sde',
    'dpm-solver++-2s-sde',
    'deis',
    'unipc',
    'rk45',
    'dpm-adaptive',
  ]);
  for (const { title, note } of Object.values(SAMPLERS)) {
    expect(title).toMatch(/^[A-Z][\w+ -]+$/);
    expect(note).toMatch(/^[A-Z].*\.$/);
  }
});

onEachBackend(() => {
  for (const [name, { knows, noise, findsSteps = false, make }] of Object.entries(SAMPLERS)) {
    test(`${name} knows just the settings that change what it does`, async () => {
      const reverse = skewed.process(schedule, vPrediction);
      const run = (settings: SamplerSettings): ReturnType<typeof end> =>
        end(make({ times: trailing(6), ...settings }), reverse, NOISE, { rng: rng(1) });
      const plain = await run({});
      for (const [setting, [standard, other]] of Object.entries(VALUES)) {
        const own = OWN_DEFAULTS[name]?.[setting] ?? (setting === 'eta' && noise === 'path' ? 1 : standard);
        expect(await run({ [setting]: own }), 'the default').toEqual(plain);
        const changed = distance(await run({ [setting]: other }), plain) > 1e-5;
        expect(changed, setting).toBe((knows as readonly string[]).includes(setting));
      }
    });

    test(`${name} visits the times that it is given, or every step`, async () => {
      const reverse = skewed.process(schedule, vPrediction);
      for (const times of [undefined, trailing(5)]) {
        if (findsSteps) {
          const found = await record(make({ ...(times && { times }) }), reverse, NOISE);
          expect([found.from[0]!.t, found.from.at(-1)!.t]).toEqual([39, times ? 7 : 0]);
          continue;
        }
        const { from, to } = await record(make({ ...(times && { times }) }), reverse, NOISE, { rng: rng(1) });
        const list = Array.from((times ?? every())(schedule));
        expect([...from, to.at(-1)!].map(({ t }) => t)).toEqual(list);
      }
    });

    test(`${name} adds ${noise === 'none' ? 'no noise' : 'noise'} of its own`, async () => {
      const reverse = skewed.process(schedule, vPrediction);
      const [a, b] = [1, 2].map((seed) =>
        end(make({ times: trailing(6) }), reverse, NOISE, { rng: rng(seed) }),
      );
      expect(distance((await a)!, (await b)!) === 0).toBe(noise === 'none');
    });

    if (noise !== 'none') continue;
    test(`${name} ends exact data where the flow ends`, async () => {
      for (const [schedule, predicts, times] of [
        [zeroSnr, vPrediction, every()],
        [rectified(), flowPrediction, logSnrSpaced(80)],
      ] as const) {
        const reached = await end(make({ times }), skewed.process(schedule, predicts), NOISE);
        const flow = skewed.flow(
          NOISE,
          schedule.level(schedule.end),
          schedule.level(schedule.start),
          FACTORS,
        );
        expect(distance(reached, flow)).toBeLessThan(name === 'ddim' || name === 'euler' ? 0.2 : 0.02);
      }
    });
  }

  test('each makes the sampler of its name', async () => {
    const reverse = skewed.process(schedule, vPrediction);
    const times = trailing(5);
    for (const [name, sampler] of [
      ['ancestral', ancestral({ times })],
      ['ddim', ddim({ times, eta: 0.5 })],
      ['euler-ancestral', eulerAncestral({ times, eta: 0.5 })],
      ['heun', heun({ times, churn: { amount: 2 } })],
      ['euler', euler({ times })],
      ['dpm2', dpm2({ times })],
      ['lms', lms({ times, order: 3 })],
      ['pndm', pndm({ times })],
      ['dpm-solver++-2s', dpmSolverPlusPlus2S({ times })],
      ['deis', deis({ times, order: 3 })],
      ['unipc', unipc({ times, order: 3 })],
      ['rk45', rk45({ times, tolerance: 0.1 })],
      ['dpm-adaptive', dpmAdaptive({ times, tolerance: 0.1 })],
      ['dpm2-ancestral', dpm2Ancestral({ times, eta: 0.5 })],
      ['dpm-solver++', dpmSolverPlusPlus({ times, order: 3 })],
      ['dpm-solver++-sde', dpmSolverPlusPlusSde({ times, order: 3 })],
      ['dpm-solver++-2s-sde', dpmSolverPlusPlus2SSde({ times })],
    ] as const) {
      const made = SAMPLERS[name]!.make({ times, eta: 0.5, order: 3, churn: 2, tolerance: 0.1 });
      expect(await end(made, reverse, NOISE, { rng: rng(1) })).toEqual(
        await end(sampler, reverse, NOISE, { rng: rng(1) }),
      );
    }
  });
}, ['cpu']);
