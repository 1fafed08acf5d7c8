import '@diffusion-ts/testing/plain-threads';
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { deserialize } from 'node:v8';
import { afterAll, afterEach, beforeAll, describe, expect, type MockInstance, test, vi } from 'vitest';
import { type Communicator, single } from '../src/index.js';
import { threads } from '../src/node.js';
import { workers } from '../src/web.js';
import { type Chromium, hasChromium, openChromium } from './browser/chromium.js';
import ask, { digest, numberOf, SOME } from './questions.js';
import { webWorker } from './web-worker.js';

afterEach(() => void vi.unstubAllGlobals());

interface Said {
  readonly rank: number;
  readonly size: number;
  /** What a rank was answered, by the name of the question, or the message of the error. */
  readonly answers: Readonly<Record<string, unknown>>;
}

interface Implementation {
  readonly size: number;
  /** It is not installed here. */
  readonly missing?: boolean;
  /** Whether it sums in the order of the ranks in float64, rounded once. */
  readonly ordered?: boolean;
  /** What each rank says, once all questions of the suite are asked. */
  run(): Promise<Said[]>;
}

const module = new URL('./questions.js', import.meta.url);

/** Every rank runs the same, the lead too. */
const runThreads = (size: number, options: object): Promise<unknown> =>
  threads(size, module, options, (communicator) => ask(communicator, options));

type Run = (options: { readonly channel: string }) => Promise<unknown>;

/** Ranks in threads, which say on a channel what they were answered. */
const ofThreads = (size: number, run: Run): Implementation => ({
  size,
  async run() {
    const name = crypto.randomUUID();
    const channel = new BroadcastChannel(name);
    const said: Said[] = [];
    const all = new Promise<void>((resolve) => {
      channel.onmessage = ({ data }: MessageEvent<Said>) => {
        if (said.push(data) === size) resolve();
      };
    });
    await run({ channel: name });
    await all;
    channel.close();
    return said.sort((a, b) => a.rank - b.rank);
  },
});

/** The same of workers; whether the page is isolated decides how they are linked. None is left. */
async function runWorkers(
  size: number,
  options: object,
  isolated = false,
  script = new URL('./web-rank.js', import.meta.url),
): Promise<unknown> {
  vi.stubGlobal('crossOriginIsolated', isolated);
  const ends: MockInstance[] = [];
  const start = (): Worker => {
    const worker = webWorker(script);
    ends.push(vi.spyOn(worker, 'terminate'));
    return worker;
  };
  try {
    return await workers(size, start, options, (communicator) => ask(communicator, options));
  } finally {
    expect(ends.map(({ mock }) => mock.calls.length)).toEqual(new Array(size - 1).fill(1));
  }
}

let opened: Promise<Chromium> | undefined;
afterAll(async () => (await opened)?.close());

/** Three of Chromium, led by a page or by a worker of it. */
const inChromium = (where: 'page' | 'worker', isolated: boolean): Implementation => ({
  size: 3,
  missing: !hasChromium,
  async run() {
    opened ??= openChromium();
    const said = (await (await opened).run(where, isolated, { size: 3, options: {} })) as Said[];
    return said.sort((a, b) => a.rank - b.rank);
  },
});

/** Processes that an `mpirun` with Debian's name for it starts. */
const processes = (size: number, mpirun: string): Implementation => ({
  size,
  missing: isMissing(mpirun),
  // MPI adds up as it likes: in float32, which is the same for two.
  ordered: size === 2,
  run: async () => (await outcomesOf(size, mpirun)).map((outcome) => outcome!.said!),
});

function isMissing(mpirun: string): boolean {
  return spawnSync(mpirun, ['--version']).status !== 0;
}

interface Outcome {
  readonly said?: Said;
  /** Why it failed. */
  readonly reason?: string;
}

/** How each rank ended, once `mpirun` has, with one of some exit codes; nothing of a rank that was killed. */
async function outcomesOf(
  size: number,
  mpirun: string,
  options: object = {},
  exitCodes: readonly number[] = [0],
): Promise<(Outcome | undefined)[]> {
  const folder = mkdtempSync(join(tmpdir(), 'parallel-'));
  try {
    const rank = fileURLToPath(new URL('./mpi-rank.js', import.meta.url));
    const command = ['-np', String(size), process.execPath, rank, JSON.stringify({ folder, ...options })];
    const code = await promisify(execFile)(mpirun, command, {
      env: {
        ...process.env,
        // Open MPI's leave to run where the tests may: as root, on one core.
        OMPI_ALLOW_RUN_AS_ROOT: '1',
        OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
        OMPI_MCA_rmaps_base_oversubscribe: '1',
      },
    }).then(
      () => 0,
      (error: { code: number; stderr: string }) => {
        if (!exitCodes.includes(error.code)) throw error;
        return error.code;
      },
    );
    expect(exitCodes).toContain(code);
    return Array.from({ length: size }, (_, rank) => {
      const file = join(folder, String(rank));
      return existsSync(file) ? (deserialize(readFileSync(file)) as Outcome) : undefined;
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const IMPLEMENTATIONS: Readonly<Record<string, Implementation>> = {
  'a single rank': { size: 1, run: async () => [(await ask(single())) as Said] },
  'one thread': ofThreads(1, (options) => runThreads(1, options)),
  'three threads': ofThreads(3, (options) => runThreads(3, options)),
  'one worker': ofThreads(1, (options) => runWorkers(1, options)),
  'three workers that send messages': ofThreads(3, (options) => runWorkers(3, options)),
  'three workers that share memory': ofThreads(3, (options) => runWorkers(3, options, true)),
  'three workers of a page in Chromium': inChromium('page', false),
  'three workers of a worker of an isolated page in Chromium': inChromium('worker', true),
  'two processes of Open MPI': processes(2, 'mpirun.openmpi'),
  'three processes of MPICH': processes(3, 'mpirun.mpich'),
};

/** The sum in the order of the ranks in float64, rounded once. */
const sumOf = (size: number, count: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => {
    let sum = 0;
    for (let rank = 0; rank < size; rank++) sum += numberOf(rank, i);
    return sum;
  });

const numbersOf = (rank: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => numberOf(rank, i));

const messageOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'no error',
    (error: Error) => error.message,
  );

for (const [name, { size, missing = false, ordered = true, run }] of Object.entries(IMPLEMENTATIONS)) {
  describe.skipIf(missing)(name, () => {
    let said: readonly Said[];
    beforeAll(async () => {
      said = await run();
    });
    const answersTo = (question: string): unknown[] => said.map(({ answers }) => answers[question]);
    const ranks = Array.from({ length: size }, (_, rank) => rank);
    const everywhere = <T>(answer: T): T[] => ranks.map(() => answer);
    const total = ranks.reduce((sum, rank) => sum + rank, 0);
    const summed = (count: number) => ({
      digest: ordered ? digest(sumOf(size, count)) : expect.anything(),
      // Four numbers up to 10⁴ are added up in float32.
      some: [...sumOf(size, Math.min(count, SOME))].map((value) =>
        ordered ? value : expect.closeTo(value, 2),
      ),
    });

    test('is as many ranks as there are, in their order', () => {
      expect(said.map(({ rank, size }) => [rank, size])).toEqual(ranks.map((rank) => [rank, size]));
    });

    test('sums the tensors of each name, in new tensors of their shapes', () => {
      expect(answersTo('sum')).toEqual(
        ranks.map((rank) => ({
          shapes: [
            ['one', [1, 2], 'float32'],
            ['two', [], 'float32'],
            ['none', [0], 'float32'],
          ],
          values: [[total + size, 10 * total], [size / 2], []],
          own: [[1 + rank, 10 * rank]],
          left: 0,
        })),
      );
    });

    test('sums many numbers in the order of the ranks, to the same bits on each', () => {
      const answers = answersTo('sum of many');
      expect(answers).toEqual(everywhere(summed(200_001)));
      expect(answers).toEqual(everywhere(answers[0]));
    });

    test('sums one number', () => {
      expect(answersTo('sum of one')).toEqual(everywhere(summed(1)));
    });

    test('what is not finite on one rank is so in the sum', () => {
      expect(answersTo('sum of infinities')).toEqual(everywhere([Number.NaN, Infinity]));
    });

    test('broadcasts what rank 0 has', () => {
      const values = [
        [2, 2],
        [3, 3, 3, 3],
        [-0, Math.fround(0.1)],
      ];
      expect(answersTo('broadcast')).toEqual(everywhere({ values, left: 0 }));
      expect(answersTo('broadcast of many')).toEqual(everywhere(digest(numbersOf(0, 200_001))));
    });

    test('gathers rows in the order of the ranks, of which one has none', () => {
      const rows = ranks.flatMap((rank) => new Array<number>(rank === 1 ? 0 : rank + 1).fill(rank + 0.5));
      const values = rows.flatMap((value) => [value, value]);
      expect(answersTo('gather')).toEqual(everywhere({ shape: [rows.length, 2], values, left: 0 }));
      const many = ranks.flatMap((rank) => numbersOf(rank, 70_000 * (rank + 1) + rank));
      expect(answersTo('gather of many')).toEqual(everywhere(digest(many)));
    });

    test('answers questions that are asked at once in their order', () => {
      expect(answersTo('many at once')).toEqual(everywhere([summed(200_000), ranks, [9], [size]]));
    });

    test('broadcasts parameters that the others do not know', () => {
      const values = [
        ['a.weight', [1, 2], [1, 2]],
        ['b', [], [-0]],
      ];
      expect(answersTo('params of which only the first knows')).toEqual(everywhere({ values, left: 0 }));
    });

    test('gathers and broadcasts values of all kinds, exactly', () => {
      const all = ranks.map((rank) => ({
        rank,
        name: 'é'.repeat(rank),
        numbers: [-0, Number.NaN, -Infinity, 0.1],
      }));
      expect(answersTo('values')).toEqual(everywhere({ all, first: ['n1', null, 1 / 3], left: 0 }));
    });

    test.each([
      ['sum of integers', '"x" of a sum must be float32, not int32'],
      ['broadcast of a number', '"x" of a broadcast must be a tensor, not 3'],
      ['gather of a scalar', 'rows to gather must have a first axis and numbers in every row, not shape []'],
      [
        'gather of empty rows',
        'rows to gather must have a first axis and numbers in every row, not shape [2,0]',
      ],
    ])('refuses the %s in one sentence, and goes on', (question, sentence) => {
      expect(answersTo(question)).toEqual(everywhere(sentence));
    });

    const unlike = (question: string): string =>
      `the tensors of a ${question} must have the same names and shapes on every rank, but those of rank 1 are not those of rank 0`;

    test.skipIf(size === 1).each([
      [
        'different questions',
        'rank 0 asks for sum and rank 1 for barrier: all must ask the same, in the same order',
      ],
      ['different shapes', unlike('sum')],
      ['different names', unlike('broadcast')],
      ['different rows', unlike('gather')],
    ])('refuses %s in one sentence, on all ranks, and goes on', (question, sentence) => {
      expect(answersTo(question)).toEqual(everywhere(sentence));
    });

    test('answers what was asked before it is closed, and nothing afterwards', () => {
      expect(answersTo('asked, then closed')).toEqual(everywhere([total, size]));
      expect(answersTo('closed twice')).toEqual(
        ranks.map((rank) => `sum is asked of rank ${rank}, whose communicator is closed`),
      );
    });
  });
}

describe('of three threads', () => {
  const size = 3;
  const last = size - 1;
  const disaster = (name: string): Promise<unknown> => runThreads(size, { disaster: name });

  test('one that fails while the others wait ends all, with its message', async () => {
    const error = await disaster('the last fails').then(
      () => expect.fail('no error'),
      (error: Error) => error,
    );
    expect(error.message).toBe(`rank ${last} failed: the disk is full`);
    expect((error.cause as Error).stack).toContain('questions.js');
  });

  test('one that dies while the others wait ends all, and it is said which', async () => {
    expect(await messageOf(disaster('the last dies'))).toBe(
      `rank ${last} failed: its thread ended with code 3`,
    );
  });

  test('one that leaves while the others wait ends all, and it is said which', async () => {
    expect(await messageOf(disaster('the last leaves'))).toBe(
      `rank ${last} has left: it closed its communicator, or its function has returned`,
    );
  });

  test('one that fails at the end, when nothing is asked any more, fails all', async () => {
    expect(await messageOf(disaster('the last fails once all is answered'))).toBe(
      `rank ${last} failed: too late`,
    );
  });

  test('those that wait for one that fails may save what they have', async () => {
    const saved = new Int32Array(new SharedArrayBuffer(4 * size));
    const run = runThreads(size, { disaster: 'the last fails, the others save', saved });
    expect(await messageOf(run)).toBe(`rank ${last} failed: no error but a string`);
    expect(saved[0]).toBe(1);
  });

  test('the first, if it fails, ends the others in the midst of their work', async () => {
    expect(await messageOf(disaster('the first fails, the others compute'))).toBe('enough');
  });

  test('none is left, though it has a timer', async () => {
    const ports = (): number =>
      process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length;
    const before = ports();
    const run = threads(
      size,
      module,
      { disaster: 'it has returned, but for a timer' },
      async ({ barrier }) => {
        await barrier();
        return 'done';
      },
    );
    expect(ports()).toBe(before + size - 1);
    expect(await run).toBe('done');
    expect(ports()).toBe(before);
  });
});

describe('of three workers that send messages', () => {
  const reasonOf = (disaster: string, more: object = {}): Promise<string> =>
    messageOf(runWorkers(3, { disaster, ...more }));

  test('one that fails while the others wait ends all, with its message and where it was thrown', async () => {
    const error = (await runWorkers(3, { disaster: 'the last fails' }).catch((error) => error)) as Error;
    expect(error.message).toBe('rank 2 failed: the disk is full');
    expect((error.cause as Error).stack).toContain('questions.js');
  });

  test('one that throws where nobody catches ends all, and it is said which', async () => {
    expect(await reasonOf('the last throws where nobody catches')).toBe('rank 2 failed: out of the blue');
  });

  test('one that leaves while the others wait ends all, and it is said which', async () => {
    expect(await reasonOf('the last leaves')).toBe(
      'rank 2 has left: it closed its communicator, or its function has returned',
    );
  });

  test('one that fails at the end, when nothing is asked any more, fails all', async () => {
    expect(await reasonOf('the last fails once all is answered')).toBe('rank 2 failed: too late');
  });

  test('those that wait for one that fails may save what they have', async () => {
    const saved = new Int32Array(new SharedArrayBuffer(12));
    const reason = await reasonOf('the last fails, the others save', { saved });
    expect(reason).toBe('rank 2 failed: no error but a string');
    expect(saved[0]).toBe(1);
  });

  test('the first, if it fails, ends the others in the midst of their work', async () => {
    expect(await reasonOf('the first fails, the others compute')).toBe('enough');
  });
});

// As WebKitGTK does.
test('workers send messages where an isolated page has no shared memory', async () => {
  vi.stubGlobal('SharedArrayBuffer', undefined);
  expect(await messageOf(runWorkers(2, { disaster: 'the last leaves' }, true))).toBe(
    'rank 1 has left: it closed its communicator, or its function has returned',
  );
});

test('workers are refused in one sentence where their number is none, or what they are given cannot be', async () => {
  for (const size of [0, 1.5, Number.NaN]) {
    const start = (): Worker => expect.fail('started');
    expect(await messageOf(workers(size, start, undefined, async () => {}))).toBe(
      `size must be a whole number of workers from 1 up, not ${size}`,
    );
  }
  expect(await messageOf(runWorkers(2, { disaster: 'the last leaves', uncloneable() {} }))).toMatch(
    /^rank 1 failed: uncloneable.* could not be cloned\.$/,
  );
});

test.skipIf(!hasChromium)('a script that is not there is said to be of which rank, in Chromium', async () => {
  opened ??= openChromium();
  const run = { size: 2, script: '/nowhere.js', options: { disaster: 'the last leaves' } };
  expect(await (await opened).run('page', false, run)).toBe('rank 1 failed: its worker could not be loaded');
});

describe.each(['mpirun.openmpi', 'mpirun.mpich'])('of three processes of %s', (mpirun) => {
  // That of the rank that failed first; MPICH now and then gives the signal with which it then killed another.
  const exitCodes = mpirun === 'mpirun.mpich' ? [3, 9] : [3];
  const reasonsOf = async (disaster: string, patience?: number): Promise<(string | undefined)[]> =>
    (await outcomesOf(3, mpirun, { disaster, patience }, exitCodes)).map((outcome) => outcome?.reason);

  const failed = 'RankError: rank 2 failed: ';
  const left = 'RankError: rank 2 has left: it closed its communicator, or its function has returned';
  test.skipIf(isMissing(mpirun)).each([
    [
      'the last fails',
      [`${failed}the disk is full`, `${failed}the disk is full`, 'RangeError: the disk is full'],
    ],
    ['the last fails once all is answered', [`${failed}too late`, `${failed}too late`, 'Error: too late']],
    ['the last leaves', [left, left, undefined]],
  ])('%s: all are told so, and may save what they have', async (disaster, reasons) => {
    expect(await reasonsOf(disaster)).toEqual(reasons);
  });

  test.skipIf(isMissing(mpirun))('those that one does not answer for long end with a sentence', async () => {
    const reasons = await reasonsOf('the last never answers', 0.25);
    // The second of them that would say so may be killed for the first.
    expect(new Set(reasons.filter((reason) => reason !== undefined))).toEqual(
      new Set([
        'RankError: the other ranks have not answered for 0.25 s: one of them hangs, or its machine is cut off',
      ]),
    );
  });
});

test('threads are refused in one sentence where their number or module is none', async () => {
  const barrier = ({ barrier }: Communicator): Promise<void> => barrier();
  for (const size of [0, 1.5, -1, Number.NaN]) {
    expect(await messageOf(threads(size, module, undefined, barrier))).toBe(
      `size must be a whole number of threads from 1 up, not ${size}`,
    );
  }
  expect(await messageOf(threads(2, './rank.js', undefined, barrier))).toBe(
    "module must be a URL, such as new URL('./rank.js', import.meta.url), not ./rank.js",
  );
  expect(await messageOf(threads(2, 'data:text/javascript,export default 3', undefined, barrier))).toBe(
    'rank 1 failed: data:text/javascript,export default 3 must export a function as its default, not number',
  );
  expect(await messageOf(threads(2, new URL('./nowhere.js', import.meta.url), undefined, barrier))).toMatch(
    /^rank 1 failed: Cannot find module .*nowhere\.js/,
  );
});
