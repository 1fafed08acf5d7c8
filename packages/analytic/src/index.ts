export { type BranchingMixtureOptions, branchingMixture } from './branching-mixture.js';
export type { ExactBound } from './exact-bound.js';
export { type ExactDataset, exactDataset } from './exact-dataset.js';
export type { ExactDistribution } from './exact-distribution.js';
export { type ExactGaussian, exactGaussian } from './exact-gaussian.js';
export {
  type ExactGaussianMixture,
  exactGaussianMixture,
  type GaussianMixtureOptions,
} from './exact-gaussian-mixture.js';
