export type { ExactDistribution, ExactPrediction } from './distribution.js';
export { type AnalyticGaussian, gaussian } from './gaussian.js';
export type { ExactBound } from './gaussian-bound.js';
export { type AnalyticGaussianMixture, gaussianMixture } from './gaussian-mixture.js';
