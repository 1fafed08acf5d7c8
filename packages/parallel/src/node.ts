export { runThreads } from './run-threads.js';
