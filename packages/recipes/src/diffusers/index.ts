export { fromDiffusers } from './from-diffusers.js';
export { schedulerOf } from './to-diffusers.js';
