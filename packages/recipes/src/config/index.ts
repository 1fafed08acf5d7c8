export { parseConfig } from './parse.js';
export { type Preset, type RunConfig, runConfig } from './schema.js';
