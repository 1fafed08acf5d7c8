// One rank of the suite, started by mpirun: what it says, on a line of its own; why it failed, in a file, since mpirun may
// end before it has passed on what was printed.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serialize } from 'node:v8';
import { mpi } from '../dist/node.js';
import ask from './questions.js';

const { folder, ...options } = JSON.parse(process.argv[2]);
const communicator = await mpi();
try {
  const said = await ask(communicator, options);
  await communicator.close();
  process.stdout.write(`said ${serialize(said).toString('base64')}\n`);
} catch (error) {
  if (folder !== undefined) writeFileSync(join(folder, `rank-${communicator.rank}`), String(error));
  throw error;
}
