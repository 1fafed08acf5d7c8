// One rank of the suite, started by mpirun: what it says, or why it failed, in a file, since what ranks print gets mixed up.

import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serialize } from 'node:v8';
import { mpi } from '../dist/node.js';
import ask from './questions.js';

const { folder, patience, ...options } = JSON.parse(process.argv[2]);
const run = async (communicator) => {
  // Before MPI ends, after which mpirun may end this rank because another has failed; whole or not at all, if it does so here.
  const write = (outcome) => {
    const file = join(folder, String(communicator.rank));
    writeFileSync(`${file}.part`, serialize(outcome));
    renameSync(`${file}.part`, file);
  };
  try {
    const said = await ask(communicator, options);
    await communicator.close();
    write({ said });
  } catch (error) {
    write({ reason: String(error) });
    throw error;
  }
};
await mpi(run, { patience }).catch((error) => {
  // Those that are told of another's failure end as if they had saved what they have.
  if (!error.message.includes(' failed: ')) process.exit(3);
});
