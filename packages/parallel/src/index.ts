export type { Communicator } from './communicator.js';
export { single } from './single.js';
