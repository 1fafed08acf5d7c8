// Our ranks on WebAssembly: as many threads as the suite says, or the processes that mpirun has started.

import { gatherValues } from '@diffusion-ts/parallel';
import { mpi, threads } from '@diffusion-ts/parallel/node';
import { emit, measure, wanted } from '../measure.js';
import follow, { leading } from '../rank.js';

const CASES = [
  ...['unet step 64', 'unet step 32', 'mnist step 64', 'unet sample 32', 'unet sum', 'unet step 64 apart'],
  ...[1, 1e4, 1e5, 1e6, 4e6].map((count) => `sum ${count}`),
];

async function lead(communicator, others) {
  const ask = leading(communicator);
  if (CASES.some((name) => name.startsWith('unet step') && wanted(name))) {
    for (let i = 0; i < 30; i++) await ask('warm-up');
  }
  for (const name of CASES) {
    // One alone has nobody to add anything up with.
    if (communicator.size === 1 && /sum|apart/.test(name)) continue;
    await measure(name, () => ask(name), others);
    const memory = `${name} peak memory`;
    // Everything up to here counts, and a step of 64 is the largest part of it.
    if (name === 'unet step 64' && wanted(memory))
      emit({ case: memory, megabytes: (await ask('memory')) / 1024 });
  }
  await ask('end');
}

if (process.env.OMPI_COMM_WORLD_RANK === undefined) {
  await threads(Number(process.env.OMP_NUM_THREADS), new URL('../rank.js', import.meta.url), {}, lead);
} else {
  await mpi(
    async (communicator) => {
      const [, ...others] = await gatherValues(communicator, process.pid);
      const signal = (name) => () => {
        for (const pid of others) process.kill(pid, name);
      };
      // MPI computes while it waits, which it must not while it is another system's turn.
      await (communicator.rank === 0
        ? lead(communicator, { halt: signal('SIGSTOP'), go: signal('SIGCONT') })
        : follow(communicator));
    },
    { patience: 86_400 },
  );
}
