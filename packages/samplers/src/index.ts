export { type AncestralOptions, ancestral } from './ancestral.js';
export { brownianTree } from './brownian-tree.js';
export type { Churn } from './churn.js';
export { type DdimOptions, ddim } from './ddim.js';
export { type DdimInversionOptions, ddimInversion } from './ddim-inversion.js';
export { type DpmSolverPlusPlusOptions, dpmSolverPlusPlus } from './dpm-solver-plus-plus.js';
export { firstOrder } from './first-order.js';
export { type GuidanceOptions, guided } from './guided.js';
export { type HeunOptions, heun } from './heun.js';
export { freshNoise, type Noise, type NoiseSource } from './noise.js';
export { type NamedSampler, SAMPLERS, type SamplerSettings } from './registry.js';
export type { Sampler, SamplerOptions, SamplerStep } from './sampler.js';
export {
  fromSolver,
  type Past,
  type Path,
  type Solver,
  type SolverOptions,
  type SolverStep,
  walk,
} from './solver.js';
