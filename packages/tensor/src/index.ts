export { checkTensor, described } from './check-tensor.js';
export { type Condition, chooseRows, joinRows, takeRows } from './condition.js';
export type { Denoiser } from './denoiser.js';
export { finish } from './finish.js';
export { nextTask } from './next-task.js';
export {
  checkParams,
  countParams,
  disposeParams,
  type Layout,
  type Layouts,
  mapParams,
  mismatch,
  type Params,
  type Shapes,
  zipParams,
} from './params.js';
export {
  axpby,
  checkPerExample,
  mapExamples,
  type PerExample,
  perExampleTensor,
  zipExamples,
} from './per-example.js';
export { philox } from './philox.js';
export { type RandomAttrs, type Rng, rng } from './rng.js';
export { sameShape } from './same-shape.js';
export { stackedRng } from './stacked-rng.js';
export { tidyNow, whenAnswered } from './tidy-now.js';
export { valueAndGrad } from './value-and-grad.js';
