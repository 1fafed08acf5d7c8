export { atOnce } from './at-once.js';
export { type CategoricalReverseProcess, categoricalReverseProcess } from './categorical-reverse-process.js';
export { asConstant, type Evaluation, type GaussianEvaluation, gaussianEvaluation } from './evaluation.js';
export { multiplied, type Product, timesCategorical, timesGaussian, timesTilt } from './multiplied.js';
export {
  type Coefficients,
  edmPrediction,
  epsilonPrediction,
  flowPrediction,
  PREDICTIONS,
  type Prediction,
  previousMeanPrediction,
  trainedOn,
  vPrediction,
  x0Prediction,
} from './prediction.js';
export {
  type GaussianReverseProcess,
  type ReverseProcess,
  type ReverseProcessOptions,
  reverseProcess,
} from './reverse-process.js';
export {
  fixedLarge,
  fixedSmall,
  learnedRange,
  learnedVariance,
  VARIANCES,
  type Variance,
} from './variance.js';
export {
  gaussianOfMoments,
  type VariationalAutoencoderOptions,
  variationalAutoencoder,
} from './variational-autoencoder.js';
