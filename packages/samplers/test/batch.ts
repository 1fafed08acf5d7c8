export * from '../src/conformance/batch.js';
