import { VARIANCES } from '@diffusion-ts/reverse-process';
import type { NoiseSchedule } from '@diffusion-ts/schedules';
import type { Tensor } from '@tensorflow/tfjs-core';
import { type Built, build } from './build.js';
import type { RunConfig } from './config/schema.js';
import { blaming, ConfigError } from './config-error.js';
import { classLossOf, isUncertain, lossOf, weightingOf } from './loss.js';
import { learnsWithout } from './network.js';
import { isCategorical, predictionOf } from './process.js';
import { emaOf, learningRateOf, optimizerOf } from './training.js';

/**
 * What a complete config stands for, once it is certain that it can be trained, and that its sheets can be drawn: a run is
 * refused before anything is made, or not at all.
 * @throws ConfigError naming the setting, its value and what is allowed.
 */
export function checkPlan(config: RunConfig): Built {
  const built = build(config);
  blaming('training: ', () => {
    learningRateOf(config.training);
    optimizerOf(config.training);
    emaOf(config.training.ema);
  });
  checkTimes(config);
  checkCoupling(config, built);
  if (built.classifier !== undefined) {
    checkContinuous(config, built.forward.schedule, 'cross-entropy');
    return built;
  }
  if (isCategorical(built.forward)) checkClassesTaught(config, built);
  else if (built.latentShape === undefined) checkTaught(config, built);
  checkSampled(config, built);
  return built;
}

/** That nothing is said of normal times where there are none. */
function checkTimes({ training }: RunConfig): void {
  const { timesteps } = training;
  if (timesteps === 'log-normal' || timesteps === 'logit-normal') return;
  const setting = (['timestepsMean', 'timestepsDeviation'] as const).find((name) => training[name] !== null);
  if (setting === undefined) return;
  throw new ConfigError(
    `training.${setting} is ${training[setting]}: expected null, since timesteps are ${timesteps} and neither log-normal nor logit-normal.`,
  );
}

/** That noise is coupled on straight paths alone, and pairs are named where they are learned from. */
function checkCoupling({ process, training }: RunConfig, { latentShape }: Built): void {
  const { coupling, pairsOf, pairs } = training;
  const isFlow =
    process.noise === 'gaussian' && process.schedule.kind === 'rectified' && latentShape === undefined;
  if (coupling !== 'independent' && !isFlow) {
    throw new ConfigError(
      `training.coupling is ${coupling}: expected independent, since only on the straight paths of flow matching (process.schedule.kind rectified) is there something to gain.`,
    );
  }
  if (coupling === 'reflow' && pairsOf === null) {
    throw new ConfigError(
      'training.pairsOf is null: expected the folder of a run, whose noise and samples are learned from, since training.coupling is reflow.',
    );
  }
  if (coupling !== 'reflow' && (pairsOf ?? pairs) !== null) {
    throw new ConfigError(
      `training.${pairsOf === null ? `pairs is ${pairs}` : `pairsOf is ${pairsOf}`}: expected null, since training.coupling is ${coupling} and not reflow.`,
    );
  }
}

/** That the loss and the times to train on fit the process. */
function checkTaught(config: RunConfig, { forward }: Built): void {
  blaming('loss: ', () => lossOf(config));
  const { loss, process } = config;
  checkEnd(config, forward.schedule);
  checkContinuous(config, forward.schedule, 'simple');
  if (config.data.kind === 'latents' && process.clip !== null) {
    throw new ConfigError(
      `process.clip is ${process.clip}: expected null, since latents have no range to stay within.`,
    );
  }
  const { learned } = VARIANCES[process.variance];
  if (loss.kind === 'hybrid' && !learned) {
    throw new ConfigError(
      `loss.kind is hybrid: expected simple or variational-bound, since there is nothing to teach of the variance ${process.variance}.`,
    );
  }
  if (isUncertain(config) && config.training.timesteps === 'importance') {
    throw new ConfigError(
      'training.timesteps is importance: expected another, since loss.uncertainty is true, which makes the loss of every time alike.',
    );
  }
  if (loss.kind === 'simple' && learned) {
    throw new ConfigError(
      `process.variance is ${process.variance}: expected fixedSmall or fixedLarge, or the loss hybrid or variational-bound, since the simple loss teaches no variance.`,
    );
  }
}

/** The same of a process on classes. */
function checkClassesTaught(config: RunConfig, { forward }: Built): void {
  blaming('loss: ', () => classLossOf(config));
  const { loss, process } = config;
  checkContinuous(config, forward.schedule, 'cross-entropy or masked-cross-entropy');
  if (
    loss.kind === 'masked-cross-entropy' &&
    (forward.schedule.steps !== undefined || process.noise !== 'absorbing')
  ) {
    throw new ConfigError(
      `loss.kind is masked-cross-entropy: expected variational-bound, since it is the bound of absorbing noise in continuous time, and here noise is ${process.noise} on the ${process.schedule.kind} schedule.`,
    );
  }
}

/** That nothing is asked for of every step where time is continuous. */
function checkContinuous(
  { loss, process, training }: RunConfig,
  { steps }: NoiseSchedule,
  expected: string,
): void {
  if (steps !== undefined) return;
  const { kind } = process.schedule;
  if (['hybrid', 'variational-bound', 'cross-entropy-hybrid'].includes(loss.kind)) {
    throw new ConfigError(
      `loss.kind is ${loss.kind}: expected ${expected}, since the bound is a sum over the steps of a schedule, and the ${kind} schedule has none.`,
    );
  }
  if (training.timesteps === 'importance') {
    throw new ConfigError(
      `training.timesteps is importance: expected another, since it remembers the losses of every step, and the ${kind} schedule has none.`,
    );
  }
}

/** That the level from which every sampler starts is taught, and tells something of the data. */
function checkEnd({ loss, process }: RunConfig, schedule: NoiseSchedule): void {
  const end = schedule.level(schedule.end);
  if (end.alpha > 0 || schedule.steps === undefined) return;
  if (process.predicts === 'previous') {
    throw new ConfigError(
      'process.predicts is previous: expected v, x0 or flow, since the schedule ends without signal, and the mean of the step before is there all noise.',
    );
  }
  if (loss.kind !== 'simple' && loss.kind !== 'hybrid') return;
  if (weightingOf(loss.weighting)(end, predictionOf(process).at(end, schedule)) === 0) {
    throw new ConfigError(
      `loss.weighting is ${loss.weighting.kind}: expected uniform, max-snr-1 or snr-plus-1, since the schedule ends without signal, and of that level, with which every sampler begins, nothing would be learned.`,
    );
  }
}

/**
 * What a config may do but hardly should, one sentence each: to be said before the work.
 */
export function planWarnings(
  { process }: RunConfig,
  { forward: { schedule }, latentShape, classifier }: Built,
): string[] {
  if (latentShape !== undefined || classifier !== undefined) return [];
  const { alpha, sigma } = schedule.level(schedule.end);
  const amplified = sigma / alpha;
  return process.predicts === 'epsilon' && process.schedule.kind !== 'variance-exploding' && amplified > 1000
    ? [
        `process.predicts is epsilon, and the schedule ends at a signal of ${alpha.toPrecision(2)}: there an error of 0.001 in ε is one of ${(amplified / 1000).toPrecision(2)} in x_0; v would keep it small.`,
      ]
    : [];
}

/** That the sampler can go through its times, and has a class to guide to. */
function checkSampled({ sampling }: RunConfig, built: Built): void {
  if (sampling.guidance !== 0 && isCategorical(built.forward)) {
    throw new ConfigError(
      `sampling.guidance is ${sampling.guidance}: expected 0, since the logits of classes are not guided.`,
    );
  }
  if (sampling.guidance !== 0 && !learnsWithout(built.network)) {
    throw new ConfigError(
      `sampling.guidance is ${sampling.guidance}: expected 0, since the network does not learn classes and some of the examples without theirs (data.labels, training.labelDropout).`,
    );
  }
  const reverse = built.process({});
  const sampler = built.sampler(sampling);
  // A sampler looks at its steps when it is called, and at tensors only when it is asked for the first of them.
  blaming('sampling: ', () => sampler(reverse, undefined as unknown as Tensor, { rng: NO_RNG }));
}

const never = (): never => {
  throw new Error('nothing was to be computed yet');
};
const NO_RNG = { normal: never, uniform: never, doubles: never, integers: never, fork: never, rows: never };
