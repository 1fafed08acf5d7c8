import type { RunConfig } from '../config/schema.js';
import { ConfigError } from '../config-error.js';
import { isDiscrete, scheduleOf } from '../process.js';

const PREDICTIONS: Readonly<Record<string, string>> = { epsilon: 'epsilon', x0: 'sample', v: 'v_prediction' };
const VARIANCES: Readonly<Record<string, string>> = {
  fixedSmall: 'fixed_small',
  fixedLarge: 'fixed_large',
  learnedRange: 'learned_range',
};

/**
 * The `scheduler_config.json` of diffusers' `DDPMScheduler` for a process.
 * @throws ConfigError where it has no such process.
 */
export function schedulerOf({
  schedule,
  predicts,
  variance,
  zeroTerminalSnr,
  clip,
}: RunConfig['process']): Record<string, unknown> {
  const built = scheduleOf(schedule);
  if (schedule.kind === 'learned' || !isDiscrete(built))
    throw new ConfigError(`diffusers' DDPMScheduler has no ${schedule.kind} schedule.`);
  const prediction = PREDICTIONS[predicts];
  if (prediction === undefined)
    throw new ConfigError(`diffusers' DDPMScheduler has no network that predicts ${predicts}.`);
  const type = VARIANCES[variance];
  if (type === undefined) {
    throw new ConfigError(
      `process.variance is ${variance}, which says ln σ² here and σ² in diffusers: expected fixedSmall, fixedLarge or learnedRange.`,
    );
  }
  const { betas } = built;
  const bounds = { beta_start: betas[0], beta_end: betas.at(-1) };
  const isTheirCosine = schedule.kind === 'cosine' && schedule.offset === 0.008 && schedule.maxBeta === 0.999;
  const described =
    schedule.kind === 'linear'
      ? { beta_schedule: 'linear', ...bounds }
      : schedule.kind === 'quadratic'
        ? { beta_schedule: 'scaled_linear', ...bounds }
        : isTheirCosine
          ? { beta_schedule: 'squaredcos_cap_v2' }
          : { beta_schedule: 'linear', trained_betas: [...betas] };
  return {
    _class_name: 'DDPMScheduler',
    num_train_timesteps: betas.length,
    ...described,
    prediction_type: prediction,
    variance_type: type,
    rescale_betas_zero_snr: zeroTerminalSnr,
    clip_sample: clip !== null,
    ...(clip !== null && { clip_sample_range: clip }),
  };
}
