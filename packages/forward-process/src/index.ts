export { checkShape } from './check-shape.js';
export { checkTimesteps } from './check-timesteps.js';
export type { ForwardProcess } from './forward-process.js';
export type { Gaussian } from './gaussian.js';
export { gaussianDiffusion } from './gaussian-diffusion.js';
