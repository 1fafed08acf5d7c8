export { bernoulli, type Categorical, categorical } from './categorical.js';
export {
  bernoulliDiffusion,
  type CategoricalDiffusion,
  categoricalDiffusion,
} from './categorical-diffusion.js';
export { checkShape } from './check-shape.js';
export type { Distribution } from './distribution.js';
export type { ForwardProcess } from './forward-process.js';
export { type Gaussian, gaussian, logVarianceTensor } from './gaussian.js';
export { gaussianDiffusion } from './gaussian-diffusion.js';
export { latent } from './latent.js';
export {
  absorbingTransition,
  gaussianTransition,
  type Transition,
  type TransitionMatrices,
  uniformTransition,
} from './transition.js';
