export { batches } from './batches.js';
export { binarised } from './binarised.js';
export { checkerboard } from './checkerboard.js';
export {
  type Augmentation,
  type ConditionImageOptions,
  conditionImage,
  keptOf,
  withConditionImage,
} from './condition-image.js';
export { DataError } from './data-error.js';
export { type Batch, checkIndices, type Dataset, disposeBatch, toBatch } from './dataset.js';
export { type Degradation, greyscale, lowResolution } from './degradation.js';
export { fromArrays } from './from-arrays.js';
export { heartbeat } from './heartbeat.js';
export { fromIdx, type IdxClasses, type NamedBytes, parseIdx } from './idx.js';
export { moons } from './moons.js';
export { names, spell } from './names.js';
export type { PointsOptions } from './points.js';
export { ringOfGaussians } from './ring-of-gaussians.js';
export { spiral } from './spiral.js';
export { swissRoll } from './swiss-roll.js';
export { withoutLabels } from './without-labels.js';
