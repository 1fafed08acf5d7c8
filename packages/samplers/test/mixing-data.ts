export * from '../src/conformance/mixing-data.js';
