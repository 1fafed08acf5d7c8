export { alphaBarsOf, checkAlphaBars } from './alpha-bars.js';
export { type Built, build } from './build.js';
export { classesOf, isSequences, type SequencesConfig, sequencesOf } from './classes.js';
export { classifierGuided, type Logits } from './classifier.js';
export { type ConditionConfig, conditionOf, degradationOf, preparedImages } from './condition-image.js';
export type { Preset, RunConfig } from './config/schema.js';
export { blaming, ConfigError } from './config-error.js';
export { type Diffusion, diffusionOf } from './diffusion.js';
export { classLossOf, decoderOf, lossOf } from './loss.js';
export { oneOfThese } from './names.js';
export {
  countOf,
  type DenoisingNetwork,
  denoisingNetworkOf,
  emptyCondition,
  fitModel,
  learnsWithout,
  type Network,
} from './network.js';
export { nullBits } from './null-bits.js';
export { checkPlan, planWarnings } from './plan.js';
export { isPoints, POINTS, type PointsConfig, pointsOf, type Split } from './points.js';
export { PRESETS } from './presets/index.js';
export {
  forwardOf,
  isDiscrete,
  type ProcessConfig,
  reverseOf,
  type ScheduleConfig,
  type SteppedSchedule,
  scheduleOf,
} from './process.js';
export { type SamplingConfig, samplerAt, samplerOf, samplingProcess, TIMES, timesOf } from './sampling.js';
export { learningRateOf, type TrainingConfig, trainingOf } from './training.js';
