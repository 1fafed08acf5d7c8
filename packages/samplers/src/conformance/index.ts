export { type Case, conformance, type Subject } from './conformance.js';
