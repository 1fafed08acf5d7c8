// Whoever type-checks against these sources needs the types of Node too, without naming them in its own settings.
/// <reference types="node" />
export { type BackendName, onEachBackend, useBackend } from './backends.js';
export { expectAllClose } from './close.js';
export { golden, goldenPath } from './golden.js';
export {
  firstOfEach,
  type GoldenGaussian,
  goldenDenoiser,
  goldenGaussian,
  goldenNoise,
  goldenX0,
} from './golden-gaussian.js';
export { expectNoLeak } from './leak.js';
export { expectExampleRuns, expectReadmeRuns } from './readme.js';
