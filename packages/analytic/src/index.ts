export type { ExactBound } from './exact-bound.js';
export type { ExactDistribution } from './exact-distribution.js';
export { type ExactGaussian, exactGaussian } from './exact-gaussian.js';
export { type ExactGaussianMixture, exactGaussianMixture } from './exact-gaussian-mixture.js';
