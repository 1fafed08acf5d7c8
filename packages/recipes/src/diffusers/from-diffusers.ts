import type { Preset } from '../config/schema.js';
import { ConfigError } from '../config-error.js';
import { oneOfThese } from '../names.js';
import { type Json, refuse, said, settled } from './keys.js';
import { ELSEWHERE, SCHEDULERS } from './schedulers.js';

const PREDICTS = { epsilon: 'epsilon', sample: 'x0', v_prediction: 'v' } as const;
const VARIANCES = {
  fixed_small: 'fixedSmall',
  fixed_small_log: 'fixedSmall',
  fixed_large: 'fixedLarge',
  learned_range: 'learnedRange',
} as const;

/** The class and the settings of a scheduler, each key of which is used or asks for nothing. */
function readScheduler(given: Json): { readonly name: string; readonly settings: Json } {
  const { _class_name: name = 'DDPMScheduler' } = given;
  if (typeof name !== 'string' || !Object.hasOwn(SCHEDULERS, name)) {
    throw new ConfigError(
      `scheduler_config.json: _class_name is ${said(name)}, a scheduler that is not here: expected ${oneOfThese(name, Object.keys(SCHEDULERS))}.`,
    );
  }
  const settings = settled(given, name, SCHEDULERS[name]!.keys, ELSEWHERE);
  const old = settings.predict_epsilon === false && !Object.hasOwn(given, 'prediction_type');
  return { name, settings: old ? { ...settings, prediction_type: 'sample' } : settings };
}

/**
 * The config of a run that the configs of a `UNet2DModel` and its scheduler amount to: what they say of images, network,
 * process and sampler. Without a scheduler the process is that of diffusers' default. Every key is used, or of no effect,
 * or refused; those of the network by whoever builds it.
 * @param model `config.json` of the network.
 * @param scheduler `scheduler_config.json`, of the DDPM, DDIM, DPM-Solver++ (multistep), Euler or Heun scheduler.
 * @throws ConfigError with one sentence that names the key, its value and what is possible.
 */
export function fromDiffusers(model: Json, scheduler?: Json): Preset {
  const { _class_name: name, in_channels = 3, out_channels: outputs = 3, condition_channels = 0 } = model;
  // Ours, of an image that the network is told: what it is made of stands beside it.
  const inputs = (in_channels as number) - (condition_channels as number);
  if (name !== 'UNet2DModel')
    throw new ConfigError(`config.json describes ${said(name)}, not a UNet2DModel.`);
  if (![1, 3].includes(inputs)) refuseModel('in_channels', in_channels, '1 (grey) or 3 (colour)');
  if (model.sample_size == null) refuseModel('sample_size', null, 'how many pixels the images have');
  // A network with twice the channels learned a variance beside its prediction.
  const learned = outputs === 2 * inputs;
  if (!learned && outputs !== inputs) {
    refuseModel(
      'out_channels',
      outputs,
      `the ${inputs} of in_channels, or twice as many where a variance is learned`,
    );
  }
  const network = { ...model, _class_name: name } as const;
  const run = { data: dataOf(model, inputs), model: network, training: { labelDropout: 0 } };
  if (scheduler === undefined) return { ...run, process: processOf(readScheduler({}).settings, learned) };
  const { name: kind, settings } = readScheduler(scheduler);
  return { ...run, process: processOf(settings, learned), sampling: SCHEDULERS[kind]!.sampling(settings) };
}

function refuseModel(key: string, value: unknown, expected: string): never {
  throw new ConfigError(`config.json: ${key} is ${said(value)}: expected ${expected}.`);
}

function dataOf(
  { sample_size: size, num_class_embeds: classes = null }: Json,
  channels: number,
): Preset['data'] {
  const [height, width] = Array.isArray(size) ? size : [size, size];
  return { kind: 'images', height, width, channels, labels: classes !== null } as Preset['data'];
}

function processOf(settings: Json, learned: boolean): NonNullable<Preset['process']> {
  const { prediction_type: prediction, rescale_betas_zero_snr: zero, clip_sample: clips } = settings;
  return {
    schedule: scheduleOf(settings),
    predicts: PREDICTS[prediction as keyof typeof PREDICTS],
    variance: varianceOf(settings, learned),
    zeroTerminalSnr: zero === true,
    clip: clips === true ? (settings.clip_sample_range as number) : null,
  };
}

function varianceOf(
  { variance_type: type = null }: Json,
  learned: boolean,
): 'fixedSmall' | 'fixedLarge' | 'learnedRange' {
  // Null is the default of the class, which knows of no channels.
  if (type === null) return learned ? 'learnedRange' : 'fixedSmall';
  const variance = VARIANCES[type as keyof typeof VARIANCES];
  if ((variance === 'learnedRange') === learned) return variance;
  return refuse(
    'variance_type',
    type,
    learned
      ? 'learned_range, since the network has twice as many channels out as in'
      : 'fixed_small or fixed_large, since the network has as many channels out as in',
  );
}

function scheduleOf(settings: Json): NonNullable<NonNullable<Preset['process']>['schedule']> {
  const {
    num_train_timesteps: steps,
    beta_start: start,
    beta_end: end,
    trained_betas: betas,
  } = settings as {
    num_train_timesteps: number;
    beta_start: number;
    beta_end: number;
    trained_betas: number[] | null;
  };
  if (betas !== null) {
    if (betas.length !== steps)
      refuse('num_train_timesteps', steps, `${betas.length}, as many as trained_betas`);
    return { kind: 'betas', betas };
  }
  switch (settings.beta_schedule as 'linear' | 'scaled_linear' | 'squaredcos_cap_v2' | 'sigmoid') {
    case 'linear':
      return { kind: 'linear', steps, start, end };
    case 'scaled_linear':
      return { kind: 'quadratic', steps, start, end };
    case 'squaredcos_cap_v2':
      return { kind: 'cosine', steps };
    case 'sigmoid': {
      // That of GeoDiff (Xu et al. 2022): a sigmoid of β, where ours is one of ᾱ.
      const at = (i: number): number => (steps === 1 ? -6 : -6 + (12 * i) / (steps - 1));
      const beta = (i: number): number => start + (end - start) / (1 + Math.exp(-at(i)));
      return { kind: 'betas', betas: Array.from({ length: steps }, (_, i) => beta(i)) };
    }
  }
}
