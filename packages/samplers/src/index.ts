export { type AncestralOptions, ancestral } from './ancestral.js';
export { type DdimOptions, ddim } from './ddim.js';
export { type DdimInversionOptions, ddimInversion } from './ddim-inversion.js';
export { type DpmSolverPlusPlusOptions, dpmSolverPlusPlus } from './dpm-solver-plus-plus.js';
export { type GuidanceOptions, guided } from './guided.js';
export type { Sampler, SamplerOptions, SamplerStep } from './sampler.js';
