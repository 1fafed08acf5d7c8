export type { AdaptiveOptions } from './adaptive-options.js';
export { type AncestralOptions, ancestral } from './ancestral.js';
export { type AutoguidanceOptions, autoguided } from './autoguided.js';
export { lerp, slerp } from './between-two.js';
export { brownianTree } from './brownian-tree.js';
export type { Churn } from './churn.js';
export { type DdimOptions, ddim } from './ddim.js';
export { type DdimInversionOptions, ddimInversion } from './ddim-inversion.js';
export { type DeisOptions, deis } from './deis.js';
export { dpmAdaptive } from './dpm-adaptive.js';
export { type DpmSolverPlusPlusOptions, dpmSolverPlusPlus } from './dpm-solver-plus-plus.js';
export { type DpmSolverPlusPlus2SOptions, dpmSolverPlusPlus2S } from './dpm-solver-plus-plus-2s.js';
export { type DpmSolverPlusPlus2SSdeOptions, dpmSolverPlusPlus2SSde } from './dpm-solver-plus-plus-2s-sde.js';
export { type DpmSolverPlusPlusSdeOptions, dpmSolverPlusPlusSde } from './dpm-solver-plus-plus-sde.js';
export { type Dpm2Options, dpm2 } from './dpm2.js';
export { type Dpm2AncestralOptions, dpm2Ancestral } from './dpm2-ancestral.js';
export {
  type Energy,
  type EnergyGuidanceOptions,
  energyGuided,
  energyOfX0,
  labelEnergy,
} from './energy-guided.js';
export { type EulerOptions, euler } from './euler.js';
export { type EulerAncestralOptions, eulerAncestral } from './euler-ancestral.js';
export { firstOrder, firstOrderStep } from './first-order.js';
export {
  dequantised,
  type FlowLikelihoodOptions,
  flowBitsPerDim,
  flowLikelihood,
  normalVector,
  rademacher,
  unitVectors,
  type Vectors,
} from './flow-likelihood.js';
export type { Guidance } from './guidance.js';
export { type GuidanceOptions, guided } from './guided.js';
export { type HeunOptions, heun } from './heun.js';
export { inpainted, type KnownPixels } from './inpainted.js';
export { type LmsOptions, lms } from './lms.js';
export { freshNoise, type Noise, type NoiseSource } from './noise.js';
export { type PndmOptions, pndm } from './pndm.js';
export { type NamedSampler, SAMPLERS, type SamplerSettings } from './registry.js';
export { type RepaintOptions, repaint } from './repaint.js';
export { rk45 } from './rk45.js';
export type { Sampler, SamplerOptions, SamplerStep } from './sampler.js';
export { sdedit } from './sdedit.js';
export {
  fromSolver,
  type Past,
  type Path,
  type Solver,
  type SolverOptions,
  type SolverStep,
  walk,
} from './solver.js';
export { bh1, bh2, type UnipcOptions, unipc } from './unipc.js';
