export type { ReverseOf } from './batch-gradients.js';
export { constantDecay, type EmaDecay, type HalfLifeOptions, halfLife, warmedUpDecay } from './ema-decay.js';
export { importanceTimesteps } from './importance-timesteps.js';
export { dropLabels, type LabelDropout } from './label-dropout.js';
export {
  constantRate,
  cosineDecay,
  type DecayOptions,
  type LearningRate,
  linearDecay,
  warmUp,
} from './learning-rate.js';
export type { Quartiles } from './loss-by-quartile.js';
export { NonFiniteError } from './non-finite-error.js';
export { stratifiedTimesteps } from './stratified-timesteps.js';
export type { LossHistory, TimestepDraw, TimestepSampler } from './timestep-sampler.js';
export { type StepRecord, type TrainBatch, type TrainOptions, train } from './train.js';
export {
  disposeState,
  initialState,
  progressOf,
  restoreState,
  type TrainProgress,
  type TrainState,
  type TrainTrees,
} from './train-state.js';
export { uniformTimesteps } from './uniform-timesteps.js';
