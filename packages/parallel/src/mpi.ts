import type { Communicator } from './communicator.js';
import { communicatorOver } from './communicator-over.js';
import { failureOf } from './leading.js';
import { type MpiLibrary, openMpi } from './mpi-library.js';
import { hasFailed, hasLeft, RankError, type Wire, type Words } from './wire.js';

// One thread at a time, whichever it is: koffi waits in threads of its own.
const MPI_THREAD_SERIALIZED = 2;
// What a rank says instead of a question.
const [LEAVES, FAILS] = [-1, -2];
// Seconds of a timer, letters of a message.
const LONGEST_PATIENCE = 2_147_483;
const LONGEST_MESSAGE = 4096;

/**
 * Runs this process as one rank of those that `mpirun` has started, on one machine or many; gives what `run` returns. Open
 * MPI or MPICH, whose library is opened now; without `mpirun` the process is alone. MPI decides in which order it sums: the
 * same in every run of as many ranks on the same machines. Node's event loop goes on while a rank waits. Call it once in a
 * process.
 *
 * @throws Error if koffi or the library is missing, or the library is of another kind; RangeError if `patience` is not what
 * it should be; what `run` throws; Error with the message of the first rank that failed, by which what `run` asks next is
 * refused too, so that it may still save what it has. So it is where the others do not answer in time, because one of them
 * hangs or its machine is cut off: then the library still waits, and `process.exit` has to end the process.
 * @example
 * await mpi((communicator) => trainTogether(communicator, { steps: 100 })); // mpirun -np 4 node train.js
 */
export async function mpi<Result>(
  run: (communicator: Communicator) => Promise<Result>,
  {
    library,
    patience = 300,
  }: {
    /** The MPI library, where it is not where the loader looks for it. */
    readonly library?: string;
    /** For how many seconds the others may leave a question unanswered. */
    readonly patience?: number;
  } = {},
): Promise<Result> {
  if (!(patience > 0 && patience <= LONGEST_PATIENCE)) {
    throw new RangeError(
      `patience must be a number of seconds above 0 and at most ${LONGEST_PATIENCE}, not ${patience}`,
    );
  }
  const wire = start(await openMpi(library), patience);
  const communicator = communicatorOver(wire);
  try {
    const result = await run(communicator);
    await communicator.close();
    return result;
  } catch (error) {
    wire.failsWith(failureOf(error).message);
    // What the others say to that is no news.
    await communicator.close().catch(() => {});
    throw error;
  } finally {
    await wire.end();
  }
}

interface MpiWire extends Wire {
  /** What the others are told when this rank closes. */
  failsWith(message: string): void;
  /** Ends MPI, once all others do, unless they will not answer. */
  end(): Promise<void>;
}

function start({ handles, call, waiting }: MpiLibrary, patience: number): MpiWire {
  const { type, world, int, float, sum, inPlace } = handles;
  const level = new Int32Array(1);
  call('MPI_Init_thread', ['void *', 'void *', 'int', 'int *'], null, null, MPI_THREAD_SERIALIZED, level);
  if (level[0]! < MPI_THREAD_SERIALIZED) {
    throw new Error(
      `the MPI library must offer MPI_THREAD_SERIALIZED, level ${MPI_THREAD_SERIALIZED}, not ${level[0]}`,
    );
  }
  const numberOf = (name: string): number => {
    const number = new Int32Array(1);
    call(name, [type, 'int *'], world, number);
    return number[0]!;
  };
  const rank = numberOf('MPI_Comm_rank');
  const size = numberOf('MPI_Comm_size');

  /** Why nothing is answered any more. */
  let over: Error | undefined;
  let isStuck = false;
  let farewell: Words = [LEAVES, 0, 0];
  let message = new Int32Array();

  /** A call that is answered once the others have come, if they do. */
  function meeting(name: string, ...parameters: string[]): (...values: unknown[]) => Promise<void> {
    const ask = waiting(name, ...parameters);
    return async (...values) => {
      let timer: NodeJS.Timeout;
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => {
          isStuck = true;
          over = new RankError(
            `the other ranks have not answered for ${patience} s: one of them hangs, or its machine is cut off`,
          );
          reject(over);
        }, 1000 * patience);
      });
      await Promise.race([ask(...values), late]).finally(() => clearTimeout(timer));
    };
  }
  const barrier = meeting('MPI_Barrier', type);
  const allgather = meeting('MPI_Allgather', 'void *', 'int', type, 'void *', 'int', type, type);
  const allreduce = meeting('MPI_Allreduce', 'void *', 'void *', 'int', type, type, type);
  const bcast = meeting('MPI_Bcast', 'void *', 'int', type, 'int', type);
  const allgatherv = meeting(
    'MPI_Allgatherv',
    ...['void *', 'int', type, 'void *', 'int *', 'int *', type, type],
  );

  async function tell(own: Words): Promise<Words[]> {
    if (over !== undefined) throw over;
    const all = new Int32Array(own.length * size);
    await allgather(Int32Array.from(own), own.length, int, all, own.length, int, world);
    const told = Array.from({ length: size }, (_, other): Words => {
      const [question, layout, length] = all.subarray(other * own.length);
      return [question!, layout!, length!];
    });
    // Who fails or leaves answers no more: all learn of it here, where they would wait forever otherwise.
    const failing = told.findIndex(([question]) => question === FAILS);
    const leaving = told.findIndex(([question]) => question === LEAVES);
    if (failing >= 0) {
      const letters = rank === failing ? message : new Int32Array(told[failing]![2]);
      await bcast(letters, letters.length, int, failing, world);
      over = new RankError(hasFailed(failing, String.fromCodePoint(...letters)));
    } else if (leaving >= 0 && own !== farewell) {
      over = new RankError(hasLeft(leaving));
    }
    if (over !== undefined) throw over;
    return told;
  }

  return {
    rank,
    size,
    tell,
    async sum(buffer) {
      await allreduce(inPlace, buffer, buffer.length, float, sum, world);
      return buffer;
    },
    async broadcast(buffer) {
      await bcast(buffer, buffer.length, float, 0, world);
      return buffer;
    },
    async gather(buffer, lengths) {
      const counts = Int32Array.from(lengths);
      let end = 0;
      const starts = counts.map((count) => {
        end += count;
        return end - count;
      });
      const all = new Float32Array(lengths.reduce((sum, length) => sum + length));
      await allgatherv(buffer, buffer.length, float, all, counts, starts, float, world);
      return all;
    },
    async close() {
      await tell(farewell);
    },
    failsWith(sentence) {
      message = Int32Array.from([...sentence].slice(0, LONGEST_MESSAGE), (letter) => letter.codePointAt(0)!);
      farewell = [FAILS, 0, message.length];
    },
    async end() {
      // They may still be saving what they have; to wait here leaves this thread free, as MPI_Finalize does not.
      if (!isStuck) await barrier(world).catch(() => {});
      if (!isStuck) call('MPI_Finalize', []);
    },
  };
}
