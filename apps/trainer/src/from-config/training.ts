import {
  constantDecay,
  constantRate,
  cosineDecay,
  type EmaDecay,
  halfLife,
  importanceTimesteps,
  type LearningRate,
  linearDecay,
  stratifiedTimesteps,
  type TimestepSampler,
  uniformTimesteps,
  warmedUpDecay,
  warmUp,
} from '@diffusion-ts/training';
import type { RunConfig } from '../config/schema.js';

type TrainingConfig = RunConfig['training'];

export function learningRateOf(config: TrainingConfig): LearningRate {
  const { learningRate: rate, finalFraction, steps } = config;
  const options = { rate, steps, finalRate: rate * finalFraction };
  const schedule = {
    constant: () => constantRate(rate),
    cosine: () => cosineDecay(options),
    linear: () => linearDecay(options),
  }[config.decay]();
  return config.warmUp === 0 ? schedule : warmUp(config.warmUp, schedule);
}

export function emaOf({ ema }: TrainingConfig): EmaDecay | undefined {
  switch (ema.kind) {
    case 'constant':
      return constantDecay(ema.decay);
    case 'warmed-up':
      return warmedUpDecay(ema.decay);
    case 'half-life':
      return halfLife(ema);
    case 'none':
      return undefined;
  }
}

export function timestepsOf({ timesteps }: TrainingConfig): TimestepSampler {
  return { uniform: uniformTimesteps, stratified: stratifiedTimesteps, importance: importanceTimesteps }[
    timesteps
  ]();
}
