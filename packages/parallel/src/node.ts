export { mpi } from './mpi.js';
export { threads } from './threads.js';
