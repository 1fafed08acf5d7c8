export { type AdamWOptions, adamW } from './adam-w.js';
export type { ReverseOf } from './batch-gradients.js';
export type { Communicator } from './communicator.js';
export { type ConditionDropout, dropCondition } from './condition-dropout.js';
export type { Coupling } from './coupling.js';
export { constantDecay, type EmaDecay, type HalfLifeOptions, halfLife, warmedUpDecay } from './ema-decay.js';
export { importanceTimes } from './importance-times.js';
export {
  constantRate,
  cosineDecay,
  type DecayOptions,
  type LearningRate,
  linearDecay,
  warmUp,
} from './learning-rate.js';
export { logNormalSigma } from './log-normal-sigma.js';
export { logitNormalTimes } from './logit-normal-times.js';
export type { Quartiles } from './loss-by-quartile.js';
export { NonFiniteError } from './non-finite-error.js';
export type { NormalOptions } from './normals.js';
export { optimalTransport } from './optimal-transport.js';
export type { Optimizer, OptimizerResult, OptimizerStep, Slots } from './optimizer.js';
export { stratifiedTimes } from './stratified-times.js';
export type { LossHistory, TimeDraw, TimeSampler } from './time-sampler.js';
export { type TrainOptions, train } from './train.js';
export {
  disposeState,
  initialState,
  progressOf,
  restoreState,
  type TrainProgress,
  type TrainState,
  type TrainTrees,
} from './train-state.js';
export {
  type StepRecord,
  type Trainable,
  type TrainBatch,
  type TrainStepOptions,
  trainStep,
} from './train-step.js';
export { uniformTimes } from './uniform-times.js';
