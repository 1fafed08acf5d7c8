export { mpi } from './mpi.js';
export { runThreads } from './run-threads.js';
