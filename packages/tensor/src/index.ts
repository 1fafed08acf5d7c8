import '#gradients';

export type { Condition, Denoiser } from './denoiser.js';
export { finish } from './finish.js';
export { lookup } from './lookup.js';
export { nextTask } from './next-task.js';
export { countParams, disposeParams, mapParams, type Params, zipParams } from './params.js';
export { philox } from './philox.js';
export { type RandomAttrs, type Rng, rng } from './rng.js';
export { valueAndGrad } from './value-and-grad.js';
