import type { Communicator } from './communicator.js';
import { communicatorOver } from './communicator-over.js';
import { CLOSE, type Words } from './wire.js';

/** Handles as C has them: Open MPI's are addresses, MPICH's are numbers. */
interface Handles {
  readonly type: 'void *' | 'int';
  readonly world: unknown;
  readonly int: unknown;
  readonly float: unknown;
  readonly sum: unknown;
}

// Open MPI; its name where only the headers' package has a link to it; MPICH, under Debian's name.
const LIBRARIES = ['libmpi.so.40', 'libmpi.so', 'libmpich.so.12'] as const;
const PACKAGES = 'on Debian, apt install openmpi-bin libopenmpi3';
const VERSION_LENGTH = 8192;
// One thread at a time, whichever it is: koffi waits in threads of its own.
const MPI_THREAD_SERIALIZED = 2;

// koffi's own stack for a call that waits, 128 kB, is too small for MPICH.
const STACK = 4 << 20;
const RTLD_LAZY = 1;

type Koffi = typeof import('koffi');
type Library = ReturnType<Koffi['load']>;

/**
 * The rank that this process is, of those that `mpirun` has started, on one machine or many: Open MPI or MPICH, whose library
 * is opened now; without `mpirun` it is alone. MPI decides in which order it sums: the same in every run of as many ranks on
 * the same machines. Node's event loop goes on while a rank waits. Call it once in a process, and `close` before it ends; a
 * process that ends without, as one does that fails, has `mpirun` end all others.
 *
 * @throws Error if koffi or the library is missing, or the library is of another kind.
 * @example
 * const communicator = await mpi(); // mpirun -np 4 node train.js
 */
export async function mpi({
  library,
}: {
  /** The MPI library, where it is not where the loader looks for it. */
  readonly library?: string;
} = {}): Promise<Communicator> {
  const koffi = await import('koffi').catch((cause: unknown) => {
    throw new Error('mpi() needs koffi to open the MPI library: npm install koffi', { cause });
  });
  if (!(koffi.config().async_stack_size! >= STACK)) koffi.config({ async_stack_size: STACK });
  const opened = open(koffi, library === undefined ? candidates() : [library]);
  const handles = handlesOf(opened);
  const { type } = handles;
  const checked = (name: string, code: number): void => {
    if (code !== 0) throw new Error(`${name} failed with code ${code}`);
  };
  /** At once, in this thread: what starts and ends MPI must be called by one and the same. */
  const call = (name: string, parameters: readonly string[], ...values: unknown[]): void =>
    checked(name, opened.func(name, 'int', [...parameters])(...values) as number);
  /** Waits in another thread. */
  const waits = (name: string, ...parameters: string[]): ((...values: unknown[]) => Promise<void>) => {
    const run = opened.func(name, 'int', parameters);
    return (...values) =>
      new Promise<number>((resolve, reject) => {
        run.async(...values, (error: unknown, code: number) => (error ? reject(error) : resolve(code)));
      }).then((code) => checked(name, code));
  };
  const numberOf = (name: string): number => {
    const number = new Int32Array(1);
    call(name, [type, 'int *'], handles.world, number);
    return number[0]!;
  };

  const level = new Int32Array(1);
  const start = ['void *', 'void *', 'int', 'int *'];
  call('MPI_Init_thread', start, null, null, MPI_THREAD_SERIALIZED, level);
  if (level[0]! < MPI_THREAD_SERIALIZED) {
    throw new Error(
      `the MPI library must offer MPI_THREAD_SERIALIZED, level ${MPI_THREAD_SERIALIZED}, not ${level[0]}`,
    );
  }
  const rank = numberOf('MPI_Comm_rank');
  const size = numberOf('MPI_Comm_size');
  const allgather = waits('MPI_Allgather', 'void *', 'int', type, 'void *', 'int', type, type);
  const allreduce = waits('MPI_Allreduce', 'void *', 'void *', 'int', type, type, type);
  const bcast = waits('MPI_Bcast', 'void *', 'int', type, 'int', type);
  const allgatherv = waits(
    'MPI_Allgatherv',
    ...['void *', 'int', type, 'void *', 'int *', 'int *', type, type],
  );

  async function tell(own: Words): Promise<Words[]> {
    const all = new Int32Array(own.length * size);
    const { int, world } = handles;
    await allgather(Int32Array.from(own), own.length, int, all, own.length, int, world);
    return Array.from({ length: size }, (_, other) => {
      const [question, layout, length] = all.subarray(other * own.length);
      return [question!, layout!, length!];
    });
  }

  return communicatorOver({
    rank,
    size,
    tell,
    async sum(buffer) {
      const { float, sum, world } = handles;
      await allreduce(buffer.slice(), buffer, buffer.length, float, sum, world);
      return buffer;
    },
    async broadcast(buffer) {
      await bcast(buffer, buffer.length, handles.float, 0, handles.world);
      return buffer;
    },
    async gather(buffer, lengths) {
      const { float, world } = handles;
      const counts = Int32Array.from(lengths);
      const firsts = counts.map((_, other) =>
        counts.subarray(0, other).reduce((sum, count) => sum + count, 0),
      );
      const all = new Float32Array(lengths.reduce((sum, length) => sum + length));
      await allgatherv(buffer, buffer.length, float, all, counts, firsts, float, world);
      return all;
    },
    async close() {
      // Ranks that ask for something else would wait for this one forever; now they are told.
      await tell([CLOSE, 0, 0]);
      call('MPI_Finalize', []);
    },
  });
}

/** Where the library may be: that of the `mpirun` which has started this process first. */
function candidates(): readonly string[] {
  const isOfMpich = process.env.PMI_RANK !== undefined && process.env.OMPI_COMM_WORLD_RANK === undefined;
  return isOfMpich ? LIBRARIES.toReversed() : LIBRARIES;
}

function open(koffi: Koffi, names: readonly string[]): Library {
  const causes: unknown[] = [];
  for (const name of names) {
    try {
      // What Open MPI loads later looks for its symbols among those of all.
      const library = koffi.load(name, { global: true });
      // Held for good: koffi lets go of it before Node's threads end, whose ends call what it has left in them.
      koffi.load(null).func('dlopen', 'void *', ['str', 'int'])(name, RTLD_LAZY);
      return library;
    } catch (cause) {
      causes.push(cause);
    }
  }
  throw new Error(`no MPI library is found as ${names.join(' or ')}: ${PACKAGES}`, {
    cause: new AggregateError(causes),
  });
}

function handlesOf(library: Library): Handles {
  const version = versionOf(library);
  if (version.startsWith('Open MPI')) {
    const address = (name: string): unknown => library.symbol(`ompi_mpi_${name}`);
    return {
      type: 'void *',
      world: address('comm_world'),
      int: address('int'),
      float: address('float'),
      sum: address('op_sum'),
    };
  }
  // Those that share MPICH's binary interface.
  if (/^(MPICH|MVAPICH|Intel)/.test(version)) {
    return { type: 'int', world: 0x44000000, int: 0x4c000405, float: 0x4c00040a, sum: 0x58000003 };
  }
  throw new Error(
    `the MPI library must be Open MPI or MPICH, which this one is not (${version || 'it does not say what it is'}): ${PACKAGES}`,
  );
}

/** What a library says that it is, or nothing. */
function versionOf(library: Library): string {
  const bytes = new Uint8Array(VERSION_LENGTH);
  const length = new Int32Array(1);
  try {
    library.func('MPI_Get_library_version', 'int', ['void *', 'int *'])(bytes, length);
  } catch {
    return '';
  }
  return new TextDecoder().decode(bytes.subarray(0, length[0])).split('\n')[0]!.trim();
}
