export type { Communicator } from './communicator.js';
export { single } from './single.js';
export { broadcastParams, broadcastValue, gatherValues } from './values.js';
export { RankError } from './wire.js';
