export { checkShape } from './check-shape.js';
export type { Distribution } from './distribution.js';
export type { ForwardProcess } from './forward-process.js';
export { type Gaussian, gaussian, logVarianceTensor } from './gaussian.js';
export { gaussianDiffusion } from './gaussian-diffusion.js';
export { latent } from './latent.js';
