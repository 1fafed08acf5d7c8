import type { ForwardProcess } from '@diffusion-ts/forward-process';
import { type UncertainProcess, withUncertainty } from '@diffusion-ts/losses';
import type { GaussianReverseProcess } from '@diffusion-ts/reverse-process';
import type { Rng } from '@diffusion-ts/tensor';
import {
  adamW,
  type Coupling,
  constantDecay,
  constantRate,
  cosineDecay,
  type EmaDecay,
  halfLife,
  importanceTimes,
  type LearningRate,
  linearDecay,
  logitNormalTimes,
  logNormalSigma,
  type NormalOptions,
  type Optimizer,
  optimalTransport,
  stratifiedTimes,
  type TimeSampler,
  type TrainStepOptions,
  uniformTimes,
  warmedUpDecay,
  warmUp,
} from '@diffusion-ts/training';
import type { RunConfig } from './config/schema.js';
import { isUncertain, lossOf } from './loss.js';
import { type DenoisingNetwork, emptyCondition, type Network } from './network.js';
import { reverseOf } from './process.js';

/** The `training` of a config. */
export type TrainingConfig = RunConfig['training'];

/**
 * How a run's steps are taken, for `train` and `trainStep`. The caller calls `dispose` when done.
 * @param rng step s draws from `rng.fork(s)`.
 * @throws ConfigError if the loss cannot be that of numbers.
 */
export function trainingOf(
  config: Pick<RunConfig, 'data' | 'process' | 'loss' | 'training'>,
  network: DenoisingNetwork,
  forward: ForwardProcess,
  rng: Rng,
): TrainStepOptions<GaussianReverseProcess & UncertainProcess> & {
  /** Frees what stands for "no class". */
  dispose(): void;
} {
  const { training, process } = config;
  const loss = lossOf(config);
  return {
    ...toldStepsOf(training, network),
    reverse: (params, rng) => ({
      ...reverseOf(forward, process, network.denoiser(params, rng), false),
      params,
    }),
    loss: isUncertain(config) ? withUncertainty(loss) : loss,
    coupling: COUPLINGS[training.coupling](),
    rng,
  };
}

/** What is the same for all networks that are told a time, and perhaps a class. The caller calls `dispose` when done. */
export function toldStepsOf(
  training: TrainingConfig,
  network: Network,
): Pick<
  TrainStepOptions,
  'learningRate' | 'optimizer' | 'ema' | 'microBatch' | 'times' | 'conditionDropout'
> & { dispose(): void } {
  const empty = emptyCondition(network);
  return {
    ...optimizationOf(training),
    times: timesToTrainOn(training),
    conditionDropout: empty && { rate: training.labelDropout, empty: empty.condition },
    dispose: () => empty?.dispose(),
  };
}

/** What is the same whatever is trained. */
export function optimizationOf(
  training: TrainingConfig,
): Pick<TrainStepOptions, 'learningRate' | 'optimizer' | 'ema' | 'microBatch'> {
  return {
    learningRate: learningRateOf(training),
    optimizer: optimizerOf(training),
    ema: emaOf(training.ema),
    microBatch: training.microBatch ?? undefined,
  };
}

/** The ways to pair examples with noise by their names in a config. */
const COUPLINGS: Readonly<Record<TrainingConfig['coupling'], () => Coupling | undefined>> = {
  independent: () => undefined,
  'optimal-transport': optimalTransport,
  // Its pairs are examples that come with their noise.
  reflow: () => undefined,
};

/** How t is drawn, normal times with the mean and the deviation of the config where it has them. */
function timesToTrainOn({ timesteps, timestepsMean, timestepsDeviation }: TrainingConfig): TimeSampler {
  return TIME_SAMPLERS[timesteps]({
    ...(timestepsMean !== null && { mean: timestepsMean }),
    ...(timestepsDeviation !== null && { deviation: timestepsDeviation }),
  });
}

/** The ways to draw t by their names in a config. */
const TIME_SAMPLERS: Readonly<Record<TrainingConfig['timesteps'], (options: NormalOptions) => TimeSampler>> =
  {
    uniform: uniformTimes,
    stratified: stratifiedTimes,
    importance: importanceTimes,
    'log-normal': logNormalSigma,
    'logit-normal': logitNormalTimes,
  };

const DECAYS = {
  constant: ({ rate }: { rate: number }) => constantRate(rate),
  cosine: cosineDecay,
  linear: linearDecay,
} as const;

/**
 * The learning rate of a config: its decay from `learningRate` to `finalFraction` of that, times the warm-up.
 * @throws RangeError where a number is out of range.
 */
export function learningRateOf(config: TrainingConfig): LearningRate {
  const { learningRate: rate, finalFraction, steps, decay } = config;
  const schedule = DECAYS[decay]({ rate, steps, finalRate: rate * finalFraction });
  return config.warmUp === 0 ? schedule : warmUp(config.warmUp, schedule);
}

export function optimizerOf({ betas, epsilon, weightDecay, maxGradNorm }: TrainingConfig): Optimizer {
  return adamW({ betas, epsilon, weightDecay, maxGradNorm: maxGradNorm ?? undefined });
}

export function emaOf(ema: TrainingConfig['ema']): EmaDecay | undefined {
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
