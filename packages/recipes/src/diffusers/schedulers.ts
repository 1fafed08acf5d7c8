// The schedulers of diffusers that can be said with our schedules, times and samplers: which settings each has, with its
// default and what is accepted, and the sampler that they make. What is not here is refused by name.

import type { Preset } from '../config/schema.js';
import {
  finite,
  flag,
  idle,
  type Json,
  type Key,
  type Keys,
  listOrNull,
  oneOf,
  refuse,
  whole,
} from './keys.js';

type Sampling = NonNullable<Preset['sampling']>;

export interface Scheduler {
  readonly keys: Keys;
  /** The sampler that it is, given all of its settings. */
  sampling(settings: Json): Sampling;
}

const PROCESS: Keys = {
  num_train_timesteps: whole(1000, 1),
  beta_start: finite(1e-4),
  beta_end: finite(0.02),
  beta_schedule: oneOf('linear', 'scaled_linear', 'squaredcos_cap_v2'),
  trained_betas: listOrNull,
  prediction_type: oneOf('epsilon', 'sample', 'v_prediction'),
};
const OTHER_BETAS: Keys = { beta_start: finite(0.00085), beta_end: finite(0.012) };
// Of the first releases, before there were names for predictions and tensors could be NumPy's.
const OLD: Keys = {
  predict_epsilon: flag(true),
  tensor_format: idle('pt'),
  timestep_values: oneOf(null),
};
const ZERO_SNR: Keys = { rescale_betas_zero_snr: flag(false) };
const CLIPPING: Keys = { clip_sample: flag(true), clip_sample_range: finite(1) };
// Dynamic thresholding (Saharia et al. 2022) depends on the pictures; nothing here does.
const THRESHOLDING: Keys = {
  thresholding: oneOf(false, null),
  dynamic_thresholding_ratio: idle(0.995),
  sample_max_value: idle(1),
};
const SPACING = ['leading', 'linspace', 'trailing'] as const;
const SPACED_AS_LEADING: Keys = { timestep_spacing: oneOf(...SPACING), steps_offset: whole(0, 0) };
const SPACED_AS_LINSPACE: Keys = {
  timestep_spacing: oneOf('linspace', 'leading', 'trailing'),
  steps_offset: whole(0, 0),
};
const SIGMAS: Keys = {
  use_karras_sigmas: flag(false),
  use_exponential_sigmas: flag(false),
  use_beta_sigmas: oneOf(false, null),
};
const TO_THE_DATA: Keys = { final_sigmas_type: oneOf('zero') };
// A network that says σ² (`learned`) is none of ours, which say ln σ² or where it lies between β̃ and β.
const VARIANCE: Key = {
  ...oneOf(null, 'fixed_small', 'fixed_small_log', 'fixed_large', 'learned_range'),
  expected:
    'fixed_small, fixed_large, learned_range or null (a network that says σ² itself, which is learned there, is not known here)',
};

const ddpm: Scheduler = {
  keys: {
    ...PROCESS,
    ...OLD,
    beta_schedule: oneOf('linear', 'scaled_linear', 'squaredcos_cap_v2', 'sigmoid'),
    variance_type: VARIANCE,
    ...CLIPPING,
    ...THRESHOLDING,
    ...SPACED_AS_LEADING,
    ...ZERO_SNR,
  },
  sampling: (settings) => ({ sampler: 'ancestral', steps: null, times: spacing(settings, WHOLE) }),
};

const ddim: Scheduler = {
  keys: {
    ...PROCESS,
    ...OLD,
    ...CLIPPING,
    set_alpha_to_one: oneOf(true),
    ...THRESHOLDING,
    ...SPACED_AS_LEADING,
    ...ZERO_SNR,
  },
  sampling: (settings) => ({ sampler: 'ddim', times: spacing(settings, WHOLE) }),
};

export const SCHEDULERS: Readonly<Record<string, Scheduler>> = {
  DDPMScheduler: ddpm,
  DDPMParallelScheduler: ddpm,
  DDIMScheduler: ddim,
  DDIMParallelScheduler: ddim,
  DPMSolverMultistepScheduler: {
    keys: {
      ...PROCESS,
      solver_order: oneOf(2, 1, 3),
      // It takes those of DEIS and UniPC for its own.
      algorithm_type: oneOf('dpmsolver++', 'deis'),
      solver_type: oneOf('midpoint', 'heun', 'logrho', 'bh1', 'bh2'),
      lower_order_final: flag(true),
      // The last step, which goes to the data, is of first order anyway.
      euler_at_final: idle(false),
      ...THRESHOLDING,
      ...SIGMAS,
      use_lu_lambdas: flag(false),
      use_flow_sigmas: oneOf(false, null),
      flow_shift: idle(1),
      use_dynamic_shifting: oneOf(false, null),
      time_shift_type: idle('exponential'),
      ...TO_THE_DATA,
      lambda_min_clipped: oneOf(Number.NEGATIVE_INFINITY),
      variance_type: VARIANCE,
      ...SPACED_AS_LINSPACE,
      ...ZERO_SNR,
    },
    sampling(settings) {
      const { solver_order: order, solver_type: type, lower_order_final: low, use_lu_lambdas: lu } = settings;
      if (type === 'heun' && order !== 1) refuse('solver_type', type, 'midpoint');
      if (low !== true && order === 3) refuse('lower_order_final', low, 'true where solver_order is 3');
      const times = lu === true ? 'log-snr' : (sigmas(settings) ?? spacing(settings, TO_DATA));
      return { sampler: 'dpm-solver++', order: order as 1 | 2 | 3, times };
    },
  },
  EulerDiscreteScheduler: {
    keys: {
      ...PROCESS,
      ...SIGMAS,
      interpolation_type: oneOf('linear'),
      timestep_type: oneOf('discrete'),
      sigma_min: oneOf(null),
      sigma_max: oneOf(null),
      ...TO_THE_DATA,
      ...SPACED_AS_LINSPACE,
      ...ZERO_SNR,
    },
    // Euler's step in σ/α is that of DDIM (Song et al. 2021, section 4.3).
    sampling: (settings) => ({ sampler: 'ddim', times: betweenSpaced(settings) }),
  },
  EulerAncestralDiscreteScheduler: {
    keys: { ...PROCESS, ...SPACED_AS_LINSPACE, ...ZERO_SNR },
    // Its σ_up and σ_down are the deviation and the mean of q(x_s | x_t, x̂_0): DDIM with η = 1.
    sampling: (settings) => ({ sampler: 'ddim', eta: 1, times: spacing(settings, UNROUNDED) }),
  },
  HeunDiscreteScheduler: {
    keys: {
      ...PROCESS,
      ...OTHER_BETAS,
      ...SIGMAS,
      clip_sample: flag(false),
      clip_sample_range: finite(1),
      ...SPACED_AS_LINSPACE,
    },
    sampling: (settings) => ({ sampler: 'heun', times: betweenSpaced(settings) }),
  },
};

type TimesName = NonNullable<Sampling['times']>;
type Spacing = Readonly<Record<(typeof SPACING)[number], TimesName>>;

// One name is three lists of times in diffusers.
const WHOLE: Spacing = { leading: 'leading', linspace: 'linspace', trailing: 'trailing' };
const TO_DATA: Spacing = { leading: 'leading-to-data', linspace: 'linspace-to-data', trailing: 'trailing' };
const UNROUNDED: Spacing = { leading: 'leading', linspace: 'even', trailing: 'trailing' };

function spacing({ timestep_spacing: name, steps_offset: offset }: Json, names: Spacing): TimesName {
  // Elsewhere it is of no effect.
  if (name === 'leading' && offset !== 0)
    refuse('steps_offset', offset, '0 where timestep_spacing is leading');
  return names[name as keyof Spacing];
}

/** Levels spread by the size of the noise, between those of the schedule. */
function sigmas({
  use_karras_sigmas: karras,
  use_exponential_sigmas: exponential,
}: Json): TimesName | undefined {
  if (karras === true) return 'karras';
  return exponential === true ? 'log-snr' : undefined;
}

/** Where the levels are spread between those of the spaced times: these are the schedule's in one case. */
function betweenSpaced(settings: Json): TimesName {
  const spread = sigmas(settings);
  if (spread === undefined) return spacing(settings, UNROUNDED);
  if (settings.timestep_spacing === 'linspace') return spread;
  const key = settings.use_karras_sigmas === true ? 'use_karras_sigmas' : 'use_exponential_sigmas';
  return refuse('timestep_spacing', settings.timestep_spacing, `linspace where ${key} is true`);
}

/**
 * The settings of all schedulers of diffusers that one can be made from another's file: what each asks for nothing with
 * where the scheduler does not have it.
 */
export const ELSEWHERE: Keys = {
  ...Object.assign({}, ...Object.values(SCHEDULERS).map(({ keys }) => keys)),
  clip_sample: flag(true),
  clip_sample_range: finite(1),
  set_alpha_to_one: flag(true),
  skip_prk_steps: flag(true),
  variance_type: VARIANCE,
  use_karras_sigmas: oneOf(false, null),
  use_exponential_sigmas: oneOf(false, null),
  use_lu_lambdas: oneOf(false, null),
  rescale_betas_zero_snr: oneOf(false, null),
  // Of UniPC, DEIS and the single-step DPM-Solver.
  algorithm_type: idle('dpmsolver++'),
  solver_order: idle(2),
  solver_type: idle('midpoint'),
  lower_order_final: idle(true),
  predict_x0: idle(true),
  disable_corrector: idle([]),
  solver_p: idle(null),
  shift_terminal: oneOf(null),
};
