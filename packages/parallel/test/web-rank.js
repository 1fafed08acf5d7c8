// A rank of the suite in a thread of Node that looks like a worker of a page: see web-worker.ts.

import { parentPort } from 'node:worker_threads';
import { runRank } from '../dist/web.js';
import ask from './questions.js';

globalThis.postMessage = (data, { transfer }) => parentPort.postMessage({ data, ports: transfer }, transfer);
runRank(ask);
