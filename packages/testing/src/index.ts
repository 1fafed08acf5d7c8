export { type BackendName, onEachBackend, useBackend } from './backends.js';
export { expectAllClose } from './close.js';
export { golden, goldenPath } from './golden.js';
export { expectNoLeak } from './leak.js';
export { expectReadmeRuns } from './readme.js';
