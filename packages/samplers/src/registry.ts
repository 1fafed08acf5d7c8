import type { Times } from '@diffusion-ts/schedules';
import { ancestral } from './ancestral.js';
import { ddim } from './ddim.js';
import { deis } from './deis.js';
import { dpmAdaptive } from './dpm-adaptive.js';
import { dpmSolverPlusPlus } from './dpm-solver-plus-plus.js';
import { dpmSolverPlusPlus2S } from './dpm-solver-plus-plus-2s.js';
import { dpmSolverPlusPlus2SSde } from './dpm-solver-plus-plus-2s-sde.js';
import { dpmSolverPlusPlusSde } from './dpm-solver-plus-plus-sde.js';
import { dpm2 } from './dpm2.js';
import { dpm2Ancestral } from './dpm2-ancestral.js';
import { euler } from './euler.js';
import { eulerAncestral } from './euler-ancestral.js';
import { heun } from './heun.js';
import { lms } from './lms.js';
import { pndm } from './pndm.js';
import { rk45 } from './rk45.js';
import type { Sampler } from './sampler.js';
import { unipc } from './unipc.js';

/** What any of the samplers may be set by; each knows those that it names. */
export interface SamplerSettings {
  /** The times to visit; default every step of a discrete schedule. */
  readonly times?: Times;
  /** How much of the ancestral sampler's noise is added: of DDIM default 0, of Euler and DPM2 ancestral 1. */
  readonly eta?: number;
  /** How many predictions a step rests on: 1 to 3, of LMS to 4; default 2, of LMS 4. */
  readonly order?: 1 | 2 | 3 | 4;
  /** Of Heun: S_churn, how much noise is added before the steps to be taken away by them, default 0. */
  readonly churn?: number;
  /** Of those that find their steps: what the error of a step may be, default 1e-4 of RK45 and 0.01 of DPM adaptive. */
  readonly tolerance?: number;
}

/** A sampler as an app offers it. */
export interface NamedSampler {
  /** Its name among people. */
  readonly title: string;
  /** What it does, in a sentence. */
  readonly note: string;
  /** Which settings it has beside the times. */
  readonly knows: readonly Exclude<keyof SamplerSettings, 'times'>[];
  /** Whether x may be of classes too: it draws from p_θ(x_s | x_t), where the others add up x and x̂_0. */
  readonly ofClasses: boolean;
  /**
   * The noise that it adds on the way: none, and it ends where the probability flow does; that of a Brownian path, the same in
   * any number of steps; or fresh noise in every step.
   */
  readonly noise: 'none' | 'path' | 'fresh';
  /** Whether it finds its steps as it goes, to a tolerance: of its times only the first and the last but one count. */
  readonly findsSteps?: true;
  /**
   * The sampler with these settings.
   * @throws RangeError where one of them is out of range.
   */
  make(settings: SamplerSettings): Sampler;
}

/** Each refuses an order that it does not have. */
type Make = NamedSampler['make'];

/** The samplers by their names on the command line, in configs and in the lab. */
export const SAMPLERS: Readonly<Record<string, NamedSampler>> = {
  ancestral: {
    title: 'DDPM',
    note: 'Ancestral: draws fresh noise at every step.',
    knows: [],
    ofClasses: true,
    noise: 'fresh',
    make: ancestral,
  },
  ddim: {
    title: 'DDIM',
    note: 'No noise but the first: the probability flow.',
    knows: ['eta'],
    ofClasses: false,
    noise: 'none',
    make: ddim,
  },
  euler: {
    title: 'Euler',
    note: 'The flow in steps of first order: what DDIM does.',
    knows: [],
    ofClasses: false,
    noise: 'none',
    make: euler,
  },
  'euler-ancestral': {
    title: 'Euler ancestral',
    note: 'Ancestral, with noise that stays the same when the steps become more.',
    knows: ['eta'],
    ofClasses: false,
    noise: 'path',
    make: eulerAncestral,
  },
  heun: {
    title: 'Heun',
    note: 'The flow, each step corrected by a second look: two evaluations.',
    knows: ['churn'],
    ofClasses: false,
    noise: 'none',
    make: ({ churn = 0, ...settings }) => heun({ ...settings, churn: { amount: churn } }),
  },
  dpm2: {
    title: 'DPM2',
    note: 'The flow, by a look half-way through each step: two evaluations.',
    knows: [],
    ofClasses: false,
    noise: 'none',
    make: dpm2,
  },
  'dpm2-ancestral': {
    title: 'DPM2 ancestral',
    note: 'Ancestral, of second order: two evaluations.',
    knows: ['eta'],
    ofClasses: false,
    noise: 'path',
    make: dpm2Ancestral,
  },
  lms: {
    title: 'LMS',
    note: 'The flow, with a memory of up to four slopes.',
    knows: ['order'],
    ofClasses: false,
    noise: 'none',
    make: lms,
  },
  pndm: {
    title: 'PNDM',
    note: 'The same for equal steps, by fixed factors.',
    knows: [],
    ofClasses: false,
    noise: 'none',
    make: pndm,
  },
  'dpm-solver++': {
    title: 'DPM-Solver++',
    note: 'The flow too, with a memory of earlier steps.',
    knows: ['order'],
    ofClasses: false,
    noise: 'none',
    make: dpmSolverPlusPlus as Make,
  },
  'dpm-solver++-2s': {
    title: 'DPM-Solver++ 2S',
    note: 'The flow by a look half-way, with no memory: two evaluations.',
    knows: [],
    ofClasses: false,
    noise: 'none',
    make: dpmSolverPlusPlus2S,
  },
  'dpm-solver++-sde': {
    title: 'SDE-DPM-Solver++',
    note: 'As DPM-Solver++, with as much noise as the ancestral sampler.',
    knows: ['order'],
    ofClasses: false,
    noise: 'path',
    make: dpmSolverPlusPlusSde as Make,
  },
  'dpm-solver++-2s-sde': {
    title: 'SDE-DPM-Solver++ 2S',
    note: 'The same by a look half-way through each step: two evaluations.',
    knows: [],
    ofClasses: false,
    noise: 'path',
    make: dpmSolverPlusPlus2SSde,
  },
  deis: {
    title: 'DEIS',
    note: 'The flow, with a memory of the noise that was seen.',
    knows: ['order'],
    ofClasses: false,
    noise: 'none',
    make: deis as Make,
  },
  unipc: {
    title: 'UniPC',
    note: 'The flow, each step corrected by what the next one sees: one evaluation.',
    knows: ['order'],
    ofClasses: false,
    noise: 'none',
    make: unipc as Make,
  },
  rk45: {
    title: 'RK45',
    note: 'The flow in steps as long as a tolerance allows.',
    knows: ['tolerance'],
    ofClasses: false,
    noise: 'none',
    findsSteps: true,
    make: rk45,
  },
  'dpm-adaptive': {
    title: 'DPM adaptive',
    note: 'The same with the steps of DPM-Solver-23.',
    knows: ['tolerance'],
    ofClasses: false,
    noise: 'none',
    findsSteps: true,
    make: dpmAdaptive,
  },
};
