// One rank of the suite, started by mpirun: what it says, on a line of its own.

import { serialize } from 'node:v8';
import { mpi } from '../dist/node.js';
import ask from './questions.js';

const communicator = await mpi();
const said = await ask(communicator, JSON.parse(process.argv[2]));
await communicator.close();
process.stdout.write(`said ${serialize(said).toString('base64')}\n`);
