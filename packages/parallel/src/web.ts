export { runRank, workers } from './workers.js';
