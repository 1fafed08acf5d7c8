// One rank of the suite, started by mpirun: what it says, on a line of its own; why it failed, in a file, since mpirun may
// end before it has passed on what was printed.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serialize } from 'node:v8';
import { mpi } from '../dist/node.js';
import ask from './questions.js';

const { folder, patience, ...options } = JSON.parse(process.argv[2]);
let place;
try {
  const said = await mpi(
    async (communicator) => {
      place = communicator.rank;
      return ask(communicator, options);
    },
    { patience },
  );
  process.stdout.write(`said ${serialize(said).toString('base64')}\n`);
} catch (error) {
  writeFileSync(join(folder, `rank-${place}`), String(error));
  // Those that are told of another's failure end as if they had saved what they have.
  if (!error.message.includes(' failed: ')) process.exit(3);
}
