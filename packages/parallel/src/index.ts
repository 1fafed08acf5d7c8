export type { Communicator } from './communicator.js';
export { single } from './single.js';
export { broadcastValue, gatherValues } from './values.js';
