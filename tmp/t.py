p='test/communicator.test.ts'
s=open(p).read()
a=s.index("/** Two processes, started by"); b=s.index("const IMPLEMENTATIONS")
s=s[:a]+'''/** Processes that an `mpirun` with Debian's name for it starts. */
const processes = (size: number, mpirun: string): Implementation => ({
  size,
  missing: isMissing(mpirun),
  // MPI adds up as it likes: in float32, which is the same for two.
  ordered: size === 2,
  async run() {
    const { stdout } = await startProcesses(size, mpirun);
    const said = [...stdout.matchAll(/^said (.*)$/gm)].map(
      ([, text]) => deserialize(Buffer.from(text!, 'base64')) as Said,
    );
    return said.sort((a, b) => a.rank - b.rank);
  },
});

function isMissing(mpirun: string): boolean {
  return spawnSync(mpirun, ['--version']).status !== 0;
}

function startProcesses(size: number, mpirun: string, options: object = {}): Promise<{ stdout: string }> {
  const rank = fileURLToPath(new URL('./mpi-rank.js', import.meta.url));
  const command = ['-np', String(size), process.execPath, rank, JSON.stringify(options)];
  return promisify(execFile)(mpirun, command, {
    env: {
      ...process.env,
      // Open MPI's leave to run where the tests may: as root, on one core.
      OMPI_ALLOW_RUN_AS_ROOT: '1',
      OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
      OMPI_MCA_rmaps_base_oversubscribe: '1',
    },
  });
}

'''+s[b:]
s=s.replace('''  'two processes of Open MPI': processes('mpirun.openmpi'),
  'two processes of MPICH': processes('mpirun.mpich'),
''','''  'two processes of Open MPI': processes(2, 'mpirun.openmpi'),
  'four processes of Open MPI': processes(4, 'mpirun.openmpi'),
  'three processes of MPICH': processes(3, 'mpirun.mpich'),
''')
s=s.replace('''  /** What each rank says, once all questions''','''  /** Whether it sums in the order of the ranks in float64, rounded once. */
  readonly ordered?: boolean;
  /** What each rank says, once all questions''')
s=s.replace("for (const [name, { size, missing = false, run }] of","for (const [name, { size, missing = false, ordered = true, run }] of")
s=s.replace('''    const total = ranks.reduce((sum, rank) => sum + rank, 0);

''','''    const total = ranks.reduce((sum, rank) => sum + rank, 0);
    const summed = (count: number) => ({
      digest: ordered ? digest(sumOf(size, count)) : expect.anything(),
      // Four numbers up to 10⁴ are added up in float32.
      some: [...sumOf(size, Math.min(count, SOME))].map((value) =>
        ordered ? value : expect.closeTo(value, 2),
      ),
    });

''',1)
s=s.replace('''    test('sums a million numbers in the order of the ranks, to the same bits on each', () => {
      expect(answersTo('sum of a million')).toEqual(everywhere(digest(sumOf(size, 1_000_003))));
    });

    test('sums one number', () => {
      expect(answersTo('sum of one')).toEqual(everywhere([...sumOf(size, 1)]));
    });
''','''    test('sums a million numbers in the order of the ranks, to the same bits on each', () => {
      const answers = answersTo('sum of a million');
      expect(answers).toEqual(everywhere(summed(1_000_003)));
      expect(answers).toEqual(everywhere(answers[0]));
    });

    test('sums one number', () => {
      expect(answersTo('sum of one')).toEqual(everywhere(summed(1)));
    });
''')
s=s.replace("[digest(sumOf(size, 300_000)), ranks, [9], [size]]","[summed(300_000), ranks, [9], [size]]")
s=s.replace("import ask, { digest, numberOf } from","import ask, { digest, numberOf, SOME } from")
a=s.index("for (const mpirun of ["); b=s.index("test('threads are refused")
s=s[:a]+'''describe.each(['mpirun.openmpi', 'mpirun.mpich'])('of three processes of %s', (mpirun) => {
  /** Why each rank failed, if it did, once `mpirun` has ended with the exit code of the one that was the first. */
  async function reasonsOf(disaster: string, patience?: number): Promise<(string | undefined)[]> {
    const folder = mkdtempSync(join(tmpdir(), 'parallel-'));
    try {
      const run = startProcesses(3, mpirun, { disaster, folder, patience });
      await expect(run).rejects.toMatchObject({ code: 3 });
      return [0, 1, 2].map((rank) => {
        const file = join(folder, `rank-${rank}`);
        return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  test.skipIf(isMissing(mpirun)).each([
    ['the last fails', 'the disk is full', 'RangeError'],
    ['the last fails once all is answered', 'too late', 'Error'],
  ])('%s: the others may save, and end with its message', async (disaster, message, name) => {
    const told = `Error: rank 2 failed: ${message}`;
    expect(await reasonsOf(disaster)).toEqual([told, told, `${name}: ${message}`]);
  });

  test.skipIf(isMissing(mpirun))('those that one does not answer for long end with a sentence', async () => {
    const [reason] = await reasonsOf('the last never answers', 0.25);
    expect(reason).toBe(
      'Error: the other ranks have not answered for 0.25 s: one of them hangs, or its machine is cut off',
    );
  });
});

test.skipIf(isMissing('mpirun.openmpi'))('a process that leaves while the others wait ends all', async () => {
});

'''+s[b:]
a=s.index("test.skipIf(isMissing('mpirun.openmpi'))('a process that leaves"); b=s.index("test('threads are refused")
s=s[:a]+s[b:]
s=s.replace("import { mkdtempSync,","import { existsSync, mkdtempSync,")
open(p,'w').write(s)
p='test/questions.js'
s=open(p).read()
s=s.replace('''/** @type {Record<string, (communicator: Communicator) => Promise<unknown>>} */
const QUESTIONS''','''/** How many of many numbers are shown. */
export const SOME = 100;

const shown = (/** @type {number[]} */ values) => ({ digest: digest(values), some: values.slice(0, SOME) });

/** @type {Record<string, (communicator: Communicator) => Promise<unknown>>} */
const QUESTIONS''')
s=s.replace("return digest(taken((await sum({ x: numbers(rank, 1_000_003) })).x));","return shown(taken((await sum({ x: numbers(rank, 1_000_003) })).x));")
s=s.replace("return taken((await sum({ x: numbers(rank, 1) })).x);","return shown(taken((await sum({ x: numbers(rank, 1) })).x));")
s=s.replace("sum({ x: numbers(rank, 300_000) }).then(({ x }) => digest(taken(x))),","sum({ x: numbers(rank, 300_000) }).then(({ x }) => shown(taken(x))),")
s=s.replace('''  async 'the last leaves\'''','''  async 'the last never answers'({ rank, size, barrier }) {
    if (rank === size - 1) await new Promise((resolve) => setTimeout(resolve, 1 << 30));
    await barrier();
  },
  async 'the last leaves\'''')
open(p,'w').write(s)
p='test/mpi.test.ts'
s=open(p).read()
s=s.replace("mpi({ library })","mpi(ask, { library })").replace("mpi()).rejects","mpi(ask)).rejects")
s=s.replace('''const PACKAGES''','''const ask = (): Promise<never> => expect.fail('started');

const PACKAGES''')
s+='''
test.each([0, -1, Number.NaN, Infinity])('a patience of %s is refused in one sentence', async (patience) => {
  await expect(mpi(ask, { patience })).rejects.toThrow(
    new RangeError(`patience must be a number of seconds above 0 and at most 2147483, not ${patience}`),
  );
});
'''
open(p,'w').write(s)
