// The MPI library of this machine, as koffi opens it: nothing is compiled.

/** Handles as C has them: Open MPI's are addresses, MPICH's are numbers. */
export interface Handles {
  readonly type: 'void *' | 'int';
  readonly world: unknown;
  readonly int: unknown;
  readonly float: unknown;
  readonly sum: unknown;
  /** In the place of what is sent: what is received is that too. */
  readonly inPlace: bigint;
}

// Open MPI; its name where only the headers' package has a link to it; MPICH, under Debian's name.
const LIBRARIES = ['libmpi.so.40', 'libmpi.so', 'libmpich.so.12'] as const;
const PACKAGES = 'on Debian, apt install openmpi-bin libopenmpi3';
const VERSION_LENGTH = 8192;
// koffi's own stack for a call that waits, 128 kB, is too small for MPICH.
const STACK = 4 << 20;
const RTLD_LAZY = 1;

type Koffi = typeof import('koffi');
type Library = ReturnType<Koffi['load']>;

/** The functions of an MPI library, which is opened at run time. */
export interface MpiLibrary {
  readonly handles: Handles;
  /** Calls at once, in this thread: what starts and ends MPI must be called by one and the same. */
  call(name: string, parameters: readonly string[], ...values: unknown[]): void;
  /** A call that waits in another thread. */
  waiting(name: string, ...parameters: string[]): (...values: unknown[]) => Promise<void>;
}

/**
 * Open MPI or MPICH: where it is said to be, or where the loader finds it.
 * @throws Error if koffi or the library is missing, or the library is of another kind.
 */
export async function openMpi(library?: string): Promise<MpiLibrary> {
  const koffi = await import('koffi').catch((cause: unknown) => {
    throw new Error('mpi needs koffi to open the MPI library: npm install koffi', { cause });
  });
  if (!(koffi.config().async_stack_size! >= STACK)) koffi.config({ async_stack_size: STACK });
  const opened = open(koffi, library === undefined ? candidates() : [library]);
  const checked = (name: string, code: number): void => {
    if (code !== 0) throw new Error(`${name} failed with code ${code}`);
  };
  let waits = 0;
  const exitAtOnce = koffi.load(null).func('_exit', 'void', ['int']);
  // `process.exit` would wait for the thread of a call that is never answered.
  process.once('exit', (code) => {
    if (waits > 0) exitAtOnce(code);
  });
  return {
    handles: handlesOf(opened),
    call: (name, parameters, ...values) =>
      checked(name, opened.func(name, 'int', [...parameters])(...values) as number),
    waiting(name, ...parameters) {
      const run = opened.func(name, 'int', parameters);
      return (...values) =>
        new Promise<number>((resolve, reject) => {
          waits++;
          run.async(...values, (error: unknown, code: number) => {
            waits--;
            error ? reject(error) : resolve(code);
          });
        }).then((code) => checked(name, code));
    },
  };
}

/** Where the library may be: that of the `mpirun` which has started this process first. */
function candidates(): readonly string[] {
  const isOfMpich = process.env.PMI_RANK !== undefined && process.env.OMPI_COMM_WORLD_RANK === undefined;
  return isOfMpich ? LIBRARIES.toReversed() : LIBRARIES;
}

function open(koffi: Koffi, names: readonly string[]): Library {
  // UCX, on which MPICH stands, would patch the C library's memory functions while Node's other threads are in them, and take
  // from them the memory with which it tests its patches.
  process.env.UCX_MEM_EVENTS ??= 'no';
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
      inPlace: 1n,
    };
  }
  // Those that share MPICH's binary interface.
  if (/^(MPICH|MVAPICH|Intel)/.test(version)) {
    return {
      type: 'int',
      world: 0x44000000,
      int: 0x4c000405,
      float: 0x4c00040a,
      sum: 0x58000003,
      inPlace: -1n,
    };
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
