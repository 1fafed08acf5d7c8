import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../src/config/index.js';
import { fromDiffusers, schedulerOf } from '../src/diffusers/index.js';
import { build, ConfigError, scheduleOf } from '../src/index.js';

type Json = Record<string, unknown>;

// What `save_config` of each class of diffusers writes when nothing is set, read off its source (−∞ as 1e999 with its sign).
const FILE = new URL('./fixtures/diffusers-schedulers.json', import.meta.url);
const DEFAULTS = JSON.parse(readFileSync(FILE, 'utf8')) as Readonly<Record<string, Json>>;

const unet = { _class_name: 'UNet2DModel', sample_size: 8, in_channels: 1, out_channels: 1 };
const read = (scheduler: Json, model: Json = unet) => fromDiffusers(model, scheduler);
const linear = { kind: 'linear', steps: 1000, start: 1e-4, end: 0.02 };
const latent = { kind: 'linear', steps: 1000, start: 0.00085, end: 0.012 };
const plain = { predicts: 'epsilon', variance: 'fixedSmall', zeroTerminalSnr: false };

const CLIPPED = { ...plain, schedule: linear, clip: 1 };
const UNCLIPPED = { ...plain, schedule: linear, clip: null };
const READ: Readonly<Record<string, [process: object, sampling: object]>> = {
  DDPMScheduler: [CLIPPED, { sampler: 'ancestral', steps: null, times: 'leading' }],
  DDPMParallelScheduler: [CLIPPED, { sampler: 'ancestral', steps: null, times: 'leading' }],
  DDIMScheduler: [CLIPPED, { sampler: 'ddim', times: 'leading' }],
  DDIMParallelScheduler: [CLIPPED, { sampler: 'ddim', times: 'leading' }],
  DPMSolverMultistepScheduler: [UNCLIPPED, { sampler: 'dpm-solver++', order: 2, times: 'linspace-to-data' }],
  EulerDiscreteScheduler: [UNCLIPPED, { sampler: 'ddim', times: 'even' }],
  EulerAncestralDiscreteScheduler: [UNCLIPPED, { sampler: 'ddim', eta: 1, times: 'even' }],
  HeunDiscreteScheduler: [
    { ...UNCLIPPED, schedule: latent },
    { sampler: 'heun', times: 'even' },
  ],
};

describe('a scheduler of diffusers', () => {
  it.each(Object.entries(READ))(
    '%s, with every key at its default, is read whole',
    (name, [process, sampling]) => {
      const preset = read(DEFAULTS[name]!);
      expect(preset.process).toEqual(process);
      expect(preset.sampling).toEqual(sampling);
      // What the file leaves out is the default of the class.
      expect(read({ _class_name: name })).toEqual(preset);
      const { model, ...rest } = parseConfig(preset, name);
      expect(build({ model, ...rest }).network.shape).toEqual([8, 8, 1]);
    },
  );

  it.each(Object.keys(DEFAULTS).filter((name) => !(name in READ)))(
    '%s, which is not here, is refused by name',
    (name) => {
      expect(() => read(DEFAULTS[name]!)).toThrow(
        new RegExp(
          `^scheduler_config\\.json: _class_name is "${name}", a scheduler that is not here: expected .*DDPMScheduler`,
        ),
      );
    },
  );

  // Another value of every key: what becomes of it.
  const OTHER: Json = {
    num_train_timesteps: 100,
    beta_start: 0.001,
    beta_end: 0.01,
    beta_schedule: 'scaled_linear',
    trained_betas: Array(1000).fill(0.01),
    prediction_type: 'v_prediction',
    variance_type: 'fixed_large',
    thresholding: true,
    dynamic_thresholding_ratio: 0.9,
    clip_sample_range: 2,
    sample_max_value: 2,
    timestep_spacing: 'trailing',
    steps_offset: 1,
    rescale_betas_zero_snr: true,
    set_alpha_to_one: false,
    solver_order: 3,
    algorithm_type: 'sde-dpmsolver++',
    solver_type: 'heun',
    lower_order_final: false,
    euler_at_final: true,
    use_karras_sigmas: true,
    use_exponential_sigmas: true,
    use_beta_sigmas: true,
    use_lu_lambdas: true,
    use_flow_sigmas: true,
    flow_shift: 3,
    final_sigmas_type: 'sigma_min',
    lambda_min_clipped: -5.1,
    use_dynamic_shifting: true,
    time_shift_type: 'linear',
    interpolation_type: 'log_linear',
    sigma_min: 0.1,
    sigma_max: 10,
    timestep_type: 'continuous',
  };
  const PROCESS =
    'num_train_timesteps beta_start beta_end beta_schedule trained_betas prediction_type timestep_spacing';
  const outcomes: Readonly<Record<string, { used: string; idle: string; refused: string }>> = {
    DDPMScheduler: {
      used: `${PROCESS} variance_type clip_sample clip_sample_range rescale_betas_zero_snr`,
      idle: 'dynamic_thresholding_ratio sample_max_value',
      refused: 'thresholding steps_offset',
    },
    DDIMScheduler: {
      used: `${PROCESS} clip_sample clip_sample_range rescale_betas_zero_snr`,
      idle: 'dynamic_thresholding_ratio sample_max_value',
      refused: 'thresholding steps_offset set_alpha_to_one',
    },
    DPMSolverMultistepScheduler: {
      used: `${PROCESS} variance_type solver_order use_karras_sigmas use_exponential_sigmas use_lu_lambdas rescale_betas_zero_snr`,
      // Order 2 to the data ends with a step of first order whatever these two say; an offset belongs to leading.
      idle: 'dynamic_thresholding_ratio sample_max_value lower_order_final euler_at_final flow_shift time_shift_type steps_offset',
      refused:
        'thresholding algorithm_type solver_type use_beta_sigmas use_flow_sigmas final_sigmas_type lambda_min_clipped use_dynamic_shifting',
    },
    EulerDiscreteScheduler: {
      used: `${PROCESS} use_karras_sigmas use_exponential_sigmas rescale_betas_zero_snr`,
      idle: 'steps_offset',
      refused: 'interpolation_type use_beta_sigmas sigma_min sigma_max timestep_type final_sigmas_type',
    },
    EulerAncestralDiscreteScheduler: {
      used: `${PROCESS} rescale_betas_zero_snr`,
      idle: 'steps_offset',
      refused: '',
    },
    HeunDiscreteScheduler: {
      used: `${PROCESS} use_karras_sigmas use_exponential_sigmas clip_sample`,
      // The range of a clipping that is off.
      idle: 'steps_offset clip_sample_range',
      refused: 'use_beta_sigmas',
    },
  };
  it.each(Object.entries(outcomes))(
    '%s: every key is used, of no effect or refused by name',
    (name, expected) => {
      const found: Record<string, string[]> = { used: [], idle: [], refused: [] };
      const given = DEFAULTS[name]!;
      for (const key of Object.keys(given).filter((key) => !key.startsWith('_'))) {
        const value = key === 'clip_sample' ? !given[key] : OTHER[key];
        expect(value, key).not.toEqual(given[key]);
        try {
          const same = JSON.stringify(read({ ...given, [key]: value })) === JSON.stringify(read(given));
          found[same ? 'idle' : 'used']!.push(key);
        } catch (error) {
          expect((error as Error).message).toContain(
            `scheduler_config.json: ${key} is ${JSON.stringify(value)}: expected `,
          );
          found.refused!.push(key);
        }
      }
      for (const [outcome, keys] of Object.entries(expected)) {
        expect(found[outcome]!.toSorted(), outcome).toEqual(keys.split(' ').filter(Boolean).toSorted());
      }
    },
  );

  it.each([
    [{ _class_name: 'PNDMScheduler' }, '_class_name is "PNDMScheduler", a scheduler that is not here'],
    [
      { clip_smaple: true },
      'clip_smaple is no setting: expected clip_sample, perhaps, or one of num_train_timesteps',
    ],
    [
      { variance_type: 'learned' },
      'variance_type is "learned": expected fixed_small, fixed_large, learned_range or null (a network that says σ² itself',
    ],
    [{ variance_type: 'fixed_large_log' }, 'variance_type is "fixed_large_log": expected fixed_small'],
    [
      { variance_type: 'learned_range' },
      'variance_type is "learned_range": expected fixed_small or fixed_large, since the network has as many channels out as in',
    ],
    [{ beta_start: Number.NaN }, 'beta_start is NaN: expected a number'],
    [{ num_train_timesteps: 0 }, 'num_train_timesteps is 0: expected a whole number of at least 1'],
    [{ trained_betas: [0.1, 0.2] }, 'num_train_timesteps is 1000: expected 2, as many as trained_betas'],
    [{ clip_sample: null }, 'clip_sample is null: expected true or false'],
    [
      { use_karras_sigmas: true },
      'use_karras_sigmas is true: expected one of false, null, or that it is left out, since no DDPMScheduler has it',
    ],
    [
      { ...DEFAULTS.DPMSolverMultistepScheduler, solver_order: 3, lower_order_final: false },
      'lower_order_final is false: expected true where solver_order is 3',
    ],
    [
      { ...DEFAULTS.EulerDiscreteScheduler, use_karras_sigmas: true, timestep_spacing: 'trailing' },
      'timestep_spacing is "trailing": expected linspace where use_karras_sigmas is true',
    ],
    [{ steps_offset: 1 }, 'steps_offset is 1: expected 0 where timestep_spacing is leading'],
  ])('that cannot be honoured is refused in one sentence: %j', (scheduler, message) => {
    expect(() => read(scheduler)).toThrow(ConfigError);
    expect(() => read(scheduler)).toThrow(`scheduler_config.json: ${message}`);
  });

  it.each([
    ['variance_type null is its default', { variance_type: null }, { process: { variance: 'fixedSmall' } }],
    [
      'the name of a logarithm is the same variance',
      { variance_type: 'fixed_small_log' },
      { process: { variance: 'fixedSmall' } },
    ],
    [
      'an offset has no effect where the times end at the noise',
      { timestep_spacing: 'trailing', steps_offset: 1 },
      { sampling: { times: 'trailing' } },
    ],
    [
      'the first releases said what is predicted by a flag',
      { predict_epsilon: false },
      { process: { predicts: 'x0' } },
    ],
    [
      'the cosine of diffusers is that of the paper',
      { beta_schedule: 'squaredcos_cap_v2' },
      { process: { schedule: { kind: 'cosine', steps: 1000 } } },
    ],
    [
      'of Karras, Euler',
      { _class_name: 'EulerDiscreteScheduler', use_karras_sigmas: true },
      { sampling: { sampler: 'ddim', times: 'karras' } },
    ],
    [
      'the sigmas spaced as DPM-Solver paper',
      { _class_name: 'DPMSolverMultistepScheduler', use_lu_lambdas: true },
      { sampling: { times: 'log-snr' } },
    ],
    [
      'DPM spaced by leading',
      { _class_name: 'DPMSolverMultistepScheduler', timestep_spacing: 'leading' },
      { sampling: { times: 'leading-to-data' } },
    ],
    [
      'order 1 has no type',
      { _class_name: 'DPMSolverMultistepScheduler', solver_order: 1, solver_type: 'heun' },
      { sampling: { order: 1 } },
    ],
  ])('may say it in another way: %s', (_, scheduler, expected) => {
    expect(read(scheduler)).toMatchObject(expected);
  });

  it('made from the file of another one passes over what that one asked for, as diffusers does', () => {
    const left = {
      ...DEFAULTS.DDPMScheduler,
      ...DEFAULTS.PNDMScheduler,
      skip_prk_steps: true,
      clip_sample: true,
    };
    expect(read({ ...left, ...DEFAULTS.DPMSolverMultistepScheduler, clip_sample: true })).toEqual(
      read(DEFAULTS.DPMSolverMultistepScheduler!),
    );
  });

  it('sigmoid is that of beta, as written there', () => {
    const { schedule } = parseConfig(read({ beta_schedule: 'sigmoid', num_train_timesteps: 3 }), '').process;
    const { betas } = scheduleOf(schedule as { kind: 'linear'; steps: 3 });
    // 1e-4 + 0.0199 · sigmoid(−6, 0, 6)
    expect([...betas].map((beta) => beta.toFixed(10))).toEqual([
      '0.0001492052',
      '0.0100500000',
      '0.0199507948',
    ]);
  });
});

describe('a network of diffusers', () => {
  it('that knows classes asks for data with labels, and for no class more', () => {
    const config = parseConfig(read({}, { ...unet, num_class_embeds: 3 }), 'pipe');
    expect(config.data).toMatchObject({ labels: true, height: 8, width: 8, channels: 1 });
    expect(build(config).network).toMatchObject({ classes: 3 });
    expect(build(config).network.nullLabel).toBe(undefined);
    expect(parseConfig(read({}), 'pipe').data).toMatchObject({ labels: false });
  });

  it('with twice the channels learned a variance, whatever its scheduler leaves unsaid', () => {
    const twice = { ...unet, out_channels: 2 };
    for (const scheduler of [
      undefined,
      { variance_type: null },
      { _class_name: 'DDIMScheduler' },
      { variance_type: 'learned_range' },
    ])
      expect(fromDiffusers(twice, scheduler).process).toMatchObject({ variance: 'learnedRange' });
    expect(() => read({ variance_type: 'fixed_small' }, twice)).toThrow(
      'variance_type is "fixed_small": expected learned_range, since the network has twice as many channels out as in',
    );
  });

  it.each([
    [
      { _class_name: 'UNet2DConditionModel' },
      'config.json describes "UNet2DConditionModel", not a UNet2DModel.',
    ],
    [
      { out_channels: 3 },
      'config.json: out_channels is 3: expected the 1 of in_channels, or twice as many where a variance is learned.',
    ],
    [{ in_channels: 4, out_channels: 4 }, 'config.json: in_channels is 4: expected 1 (grey) or 3 (colour).'],
    [{ sample_size: null }, 'config.json: sample_size is null: expected how many pixels the images have.'],
  ])('that is another is refused by name: %j', (change, message) => {
    expect(() => read({}, { ...unet, ...change })).toThrow(new ConfigError(message));
  });

  it.each([
    [{ class_embed_type: 'timestep' }, 'class_embed_type must be null, not "timestep"'],
    [{ time_embedding_type: 'fourier' }, 'time_embedding_type must be "positional", not "fourier"'],
    [{ mid_block_type: null }, 'mid_block_type must be "UNetMidBlock2D", not null'],
    [{ attention_type: 'x' }, 'attention_type is no setting'],
  ])('has keys that are refused by whoever builds it: %j', (change, message) => {
    expect(() => build(parseConfig(read({}, { ...unet, ...change }), ''))).toThrow(message);
  });
});

describe('a process as diffusers says it', () => {
  it('keeps its clipping, and is read back the same', () => {
    for (const clip of [1, 1.5, null]) {
      const process = { ...parseConfig(read({}), '').process, clip };
      const scheduler = schedulerOf(process);
      expect(scheduler.clip_sample).toBe(clip !== null);
      expect(parseConfig(read(scheduler), '').process).toEqual(process);
    }
  });

  it('has no schedule that is learned', () => {
    const process = parseConfig(
      { ...(read({}) as object), process: { schedule: { kind: 'learned' } } },
      '',
    ).process;
    expect(() => schedulerOf(process)).toThrow(
      new ConfigError("diffusers' DDPMScheduler has no learned schedule."),
    );
  });

  it('has no variance of which a network says the logarithm', () => {
    expect(() => schedulerOf({ ...parseConfig(read({}), '').process, variance: 'learned' })).toThrow(
      new ConfigError(
        'process.variance is learned, which says ln σ² here and σ² in diffusers: expected fixedSmall, fixedLarge or learnedRange.',
      ),
    );
  });
});
