export { type Decoder, decoderLogLikelihood } from './decoder.js';
export { gaussianKl } from './gaussian-kl.js';
export { type HybridOptions, hybrid } from './hybrid.js';
export type { Loss, LossTerms } from './loss.js';
export { type Norm, type SimpleOptions, simple } from './simple.js';
export { type VariationalBoundOptions, variationalBound } from './variational-bound.js';
export { type BoundTerms, type BoundTermsOptions, variationalBoundTerms } from './variational-bound-terms.js';
export { minSnr, p2, uniform, type Weighting, x0Snr } from './weighting.js';
