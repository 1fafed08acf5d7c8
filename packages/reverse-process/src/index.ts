export { epsilonFromV, epsilonFromX0 } from './epsilon.js';
export type { Prediction } from './prediction.js';
export {
  type NetworkOutput,
  type ReverseProcess,
  type ReverseProcessOptions,
  reverseProcess,
} from './reverse-process.js';
export { vFromX0 } from './v.js';
export type { Variance } from './variance.js';
export { x0FromEpsilon, x0FromPrevious, x0FromV } from './x0.js';
