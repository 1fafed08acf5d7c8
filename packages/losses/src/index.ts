export { priorBits } from './bound-term.js';
export {
  type ContinuousBoundOptions,
  continuousBound,
  type VariationalDiffusion,
} from './continuous-bound.js';
export { crossEntropy, crossEntropyHybrid, maskedCrossEntropy } from './cross-entropy.js';
export { type Decoder, logProb } from './decoder.js';
export { type ElboOptions, importanceWeightedBound, type NegativeElbo, negativeElbo } from './elbo.js';
export { type ElboLossOptions, elboLoss } from './elbo-loss.js';
export { erfDecoder } from './erf-decoder.js';
export {
  type BoundBatches,
  type BoundBits,
  type BoundEstimate,
  boundBits,
  boundEstimate,
  type EstimateBoundOptions,
  estimateBound,
} from './estimate-bound.js';
export {
  fixedGamma,
  type Gamma,
  type GammaEnds,
  gammaAt,
  linearGamma,
  monotoneGamma,
  scheduleOfGamma,
} from './gamma.js';
export { type HybridOptions, hybrid } from './hybrid.js';
export { labelCrossEntropy, type NoisyClassifier } from './label-cross-entropy.js';
export {
  asLatentVariableModel,
  type LatentLayer,
  type LatentVariableModel,
} from './latent-variable-model.js';
export type { Loss, LossContext, LossTerms } from './loss.js';
export { huber, l1, l2, type Norm } from './norm.js';
export { type SimpleOptions, simple } from './simple.js';
export { tanhDecoder } from './tanh-decoder.js';
export { type UncertainProcess, uncertainty, withUncertainty } from './uncertainty.js';
export { type VariationalBoundOptions, variationalBound } from './variational-bound.js';
export { type BoundTerms, type BoundTermsOptions, variationalBoundTerms } from './variational-bound-terms.js';
export {
  maxSnrOne,
  minSnr,
  p2,
  sigmoidWeighting,
  snrPlusOne,
  softMinSnr,
  unweighted,
  type Weighting,
  x0Snr,
} from './weighting.js';
