import type { Times } from '@diffusion-ts/schedules';
import { ancestral } from './ancestral.js';
import { ddim } from './ddim.js';
import { dpmSolverPlusPlus } from './dpm-solver-plus-plus.js';
import { heun } from './heun.js';
import type { Sampler } from './sampler.js';

/** What any of the samplers may be set by; each knows those that it names. */
export interface SamplerSettings {
  /** The times to visit; default every step of a discrete schedule. */
  readonly times?: Times;
  /** Of DDIM: how much of the ancestral sampler's noise is added, default 0. */
  readonly eta?: number;
  /** Of DPM-Solver++: how many predictions of x_0 a step rests on, default 2. */
  readonly order?: 1 | 2 | 3;
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
  /** Whether it finds its steps as it goes: its times say where it begins, and how fine no step needs be. */
  readonly findsSteps?: true;
  /**
   * The sampler with these settings.
   * @throws RangeError where one of them is out of range.
   */
  make(settings: SamplerSettings): Sampler;
}

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
  heun: {
    title: 'Heun',
    note: 'The flow, each step corrected by a second look: two evaluations.',
    knows: [],
    ofClasses: false,
    noise: 'none',
    make: heun,
  },
  'dpm-solver++': {
    title: 'DPM-Solver++',
    note: 'The flow too, with a memory of earlier steps.',
    knows: ['order'],
    ofClasses: false,
    noise: 'none',
    make: dpmSolverPlusPlus,
  },
};
