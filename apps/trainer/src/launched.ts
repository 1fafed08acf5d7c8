/** How many processes of this command were started together, and which of them this is. */
export interface Launched {
  readonly rank: number;
  readonly size: number;
}

// As Open MPI, MPICH (or Slurm in its place), and Slurm with PMIx say it.
const SAID = [
  ['OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE'],
  ['PMI_RANK', 'PMI_SIZE'],
  ['PMIX_RANK', 'SLURM_NTASKS'],
] as const;

/** What `mpirun` or `srun` has told this process, which is alone where neither has started it. */
export function launched(env: NodeJS.ProcessEnv = process.env): Launched {
  for (const names of SAID) {
    const [rank, size] = names.map((name) => Number(env[name] ?? Number.NaN)) as [number, number];
    if (rank >= 0 && size > 1) return { rank, size };
  }
  return { rank: 0, size: 1 };
}
