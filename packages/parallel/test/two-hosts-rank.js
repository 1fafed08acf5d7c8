// One of two ranks that train on two hosts until they no longer hear of each other; rank 0 then saves what it has.

import { writeFileSync } from 'node:fs';
import { mpi } from '../dist/node.js';
import { savedOf, trainingOf } from './train-together.js';

const { file, patience } = JSON.parse(process.argv[2]);
const run = async (communicator) => {
  const { state, step } = await trainingOf(communicator);
  process.stdout.write(`process ${process.pid}\n`);
  try {
    for (;;) {
      await step();
      if (communicator.rank === 0) process.stdout.write(`step ${state.step}\n`);
    }
  } catch (error) {
    if (communicator.rank === 0) writeFileSync(file, JSON.stringify(savedOf(state)));
    throw error;
  }
};
await mpi(run, { patience }).catch(({ message }) => {
  process.stderr.write(`${message}\n`, () => process.exit(3));
});
