import { type ForwardProcess, gaussianDiffusion } from '@diffusion-ts/forward-process';
import {
  continuousBound,
  type Gamma,
  gammaAt,
  linearGamma,
  monotoneGamma,
  type VariationalDiffusion,
} from '@diffusion-ts/losses';
import {
  atOnce,
  epsilonPrediction,
  fixedSmall,
  type Prediction,
  type Variance,
} from '@diffusion-ts/reverse-process';
import { continuous, type DiscreteSchedule, fromGammas } from '@diffusion-ts/schedules';
import type { Denoiser, Params, Rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Built } from './build.js';
import type { RunConfig } from './config/schema.js';
import { blaming, ConfigError } from './config-error.js';
import { boundDecoderOf, decoderOf } from './loss.js';
import { type DenoisingNetwork, denoisingNetworkOf, withParameters } from './network.js';
import { type LearnedSchedule, type ProcessConfig, scheduleOf } from './process.js';
import { samplerOf, samplingProcess } from './sampling.js';
import { toldStepsOf } from './training.js';

/** The ways to learn γ by their names in a config. */
const GAMMAS: Readonly<Record<LearnedSchedule['gamma'], (ends: { min: number; max: number }) => Gamma>> = {
  linear: linearGamma,
  monotone: monotoneGamma,
};

/** What the network is told runs from 0 to 1000 between the ends that γ begins with, as steps do. */
const TOLD = 1000;

/**
 * A variational diffusion model (Kingma et al. 2021): a network and the γ that is learned with it on their bound, of which
 * the learned β_t of Sohl-Dickstein et al. 2015 are the case of finitely many steps.
 *
 * It is drawn from and evaluated at γ(i/T), i = 0 … T, with the T of its bound, or 1000 where that is of continuous time:
 * index 0 is z_0, of which p(x_0 | z_0) is read off with no network, and the T terms after it those of eq. 14.
 */
export function buildVariationalDiffusion(
  config: RunConfig & { readonly process: { readonly schedule: LearnedSchedule } },
): Built {
  const { data, model, process, training } = config;
  const { schedule } = process;
  checkLearned(config);
  const gamma = blaming('process.schedule: ', () => GAMMAS[schedule.gamma](schedule));
  const network = withGamma(denoisingNetworkOf(model, training.labelDropout > 0), gamma, process);
  const untrained = gaussianDiffusion(blaming('process.schedule: ', () => scheduleOf(schedule)));
  const { min, max } = schedule;
  const inTime = gaussianDiffusion(continuous((u) => -(min + (max - min) * u)));

  return {
    network,
    forward: untrained,
    decoder: decoderOf(data),
    trainSteps: (rng) => ({
      ...toldStepsOf(training, network),
      reverse: (params: Params, rng?: Rng): VariationalDiffusion & { readonly forward: ForwardProcess } => ({
        denoiser: network.denoiser(params, rng),
        gamma,
        params,
        // Times and noise alone are drawn with it.
        forward: inTime,
      }),
      loss: continuousBound({
        decoder: boundDecoderOf(data),
        ...(schedule.steps !== null && { steps: schedule.steps }),
      }),
      rng,
    }),
    sampler: (settings) => samplerOf(settings, untrained),
    process(params, guidance = 0) {
      // A plan is checked before there are weights.
      const forward =
        'gamma.min' in params
          ? gaussianDiffusion(learned(gamma, params, untrained.schedule.steps!))
          : untrained;
      const process = samplingProcess(network, params, forward, config.process, guidance);
      return { ...process, predicts: epsilonOfGamma, variance: ofFirstLatent };
    },
  };
}

/** Whether a config has a schedule that is learned. */
export function isLearned(
  config: RunConfig,
): config is RunConfig & { readonly process: { readonly schedule: LearnedSchedule } } {
  return config.process.schedule.kind === 'learned';
}

/** A network with the parameters of γ among its own, which is told γ and answers with ε, whatever it predicts. */
function withGamma(
  network: DenoisingNetwork,
  gamma: Gamma,
  { predicts, schedule }: ProcessConfig & { readonly schedule: LearnedSchedule },
): DenoisingNetwork {
  const { min, max } = schedule;
  const both = withParameters(network, {
    shapes: gamma.shapes,
    init: (rng) => gamma.init(rng.fork('gamma')),
  });
  return {
    ...both,
    denoiser(params, rng): Denoiser {
      const answer = both.denoiser(params, rng);
      return (z, told, condition) =>
        tf.tidy(() => {
          const said = atOnce(
            answer(z, tf.mul(tf.sub(told, min), TOLD / (max - min)) as tf.Tensor1D, condition),
          );
          return predicts === 'v' ? epsilonOfV(said, z, told) : said;
        });
    },
  };
}

/** ε = σ z + α v (Salimans and Ho 2022, appendix D), with α² = sigmoid(−γ) and σ² = sigmoid(γ). */
function epsilonOfV(v: tf.Tensor, z: tf.Tensor, gamma: tf.Tensor1D): tf.Tensor {
  const column = tf.reshape(gamma, [-1, ...new Array<number>(z.rank - 1).fill(1)]);
  const root = (g: tf.Tensor): tf.Tensor => tf.sqrt(tf.sigmoid(g));
  return tf.add(tf.mul(root(column), z), tf.mul(root(tf.neg(column)), v));
}

/** The schedule of a γ that was learned, at `count` evenly spaced times. */
function learned(gamma: Gamma, params: Params, count: number): DiscreteSchedule {
  return fromGammas(
    tf.tidy(() => gammaAt(gamma, params, tf.linspace(0, 1, count)).gamma.dataSync<'float32'>()),
  );
}

/** F = ε of a network that is told γ = −log-SNR; at z_0 x̂_0 = z_0/α_0, whatever it says. */
const epsilonOfGamma: Prediction = {
  name: 'epsilon',
  at: (level, schedule) => ({
    ...(level.t === schedule.least
      ? { skip: 1 / level.alpha, out: 0 }
      : epsilonPrediction.at(level, schedule)),
    told: -level.logSnr,
  }),
};

/** β̃, and at the data the e^γ of p(x_0 | z_0) = N(z_0/α_0, e^γ). */
const ofFirstLatent: Variance = {
  ...fixedSmall,
  at: (schedule, t, s) =>
    s === schedule.start ? { offset: -schedule.level(t).logSnr, ofRaw: 0 } : fixedSmall.at(schedule, t, s),
};

/** That nothing is asked for which the bound of a learned γ does not have. */
function checkLearned({ loss, process, training }: RunConfig): void {
  const refused = (setting: string, value: unknown, expected: string): never => {
    throw new ConfigError(`${setting} is ${value}: expected ${expected}.`);
  };
  if (loss.kind !== 'variational-bound') {
    refused('loss.kind', loss.kind, 'variational-bound, since nothing else teaches a schedule');
  }
  if (process.predicts !== 'epsilon' && process.predicts !== 'v') {
    refused(
      'process.predicts',
      process.predicts,
      'epsilon or v, since the bound of a learned schedule is one of ε',
    );
  }
  if (process.variance !== 'fixedSmall') {
    refused(
      'process.variance',
      process.variance,
      'fixedSmall, since the bound of a learned schedule has that',
    );
  }
  if (process.zeroTerminalSnr) {
    refused('process.zeroTerminalSnr', true, 'false, since the end of a learned schedule is learned too');
  }
  if (training.timesteps !== 'uniform' && training.timesteps !== 'stratified') {
    refused(
      'training.timesteps',
      training.timesteps,
      'uniform or stratified, since a learned schedule itself lessens the variance of its bound',
    );
  }
}
