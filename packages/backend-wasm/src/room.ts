import type { DataType, TensorInfo } from '@tensorflow/tfjs-core';
import type { Exports } from './exports.js';
import { hasFusedProducts } from './fused.js';
import { sizeOf } from './shapes.js';

/** What the kernels use of tfjs's wasm backend. */
export interface WasmBackend {
  readonly wasm: {
    readonly asm?: { readonly memory?: WebAssembly.Memory };
    _malloc(bytes: number): number;
    _free(address: number): void;
  };
  readonly dataIdMap: { get(dataId: object): { readonly memoryOffset: number } };
  makeOutput(shape: number[], dtype: DataType): TensorInfo;
  disposeData(dataId: object, force?: boolean): boolean;
  incRef(dataId: object): void;
}

/** The kernels at work in the memory of one backend. Every address is valid until the tensor is disposed. */
export interface Room {
  readonly kernels: Exports;
  /** The memory as it is now: it may grow, and then every view of it is dead, so none is kept. */
  readonly buffer: () => ArrayBuffer;
  /** The numbers of a float32 tensor, until the memory grows. */
  readonly numbers: (tensor: TensorInfo) => Float32Array;
  /** Where a tensor lies. One that lay on another backend comes over, for which the memory may grow. */
  readonly address: (tensor: TensorInfo) => number;
  readonly output: (shape: readonly number[]) => TensorInfo;
  /** Disposes an output that was no result. */
  readonly drop: (output: TensorInfo) => void;
  /** What `work` returns; if it throws, the outputs that it made are gone. */
  readonly attempt: <T>(work: () => T) => T;
  /** Another tensor with the same data. */
  readonly share: (tensor: TensorInfo) => TensorInfo;
  /** At least so many bytes for the length of one kernel; the last ones given are overwritten. */
  readonly scratch: (bytes: number) => number;
  /**
   * `bytes` bytes made from `tensor` by `fill`. The first time they are made in `spare`; asked for again they are kept
   * until the tensor is disposed: weights that change at every step come and go, those of a sampler stay. `kind` says
   * what they are made of: the data may be those of tensors of several shapes.
   */
  readonly derived: (
    tensor: TensorInfo,
    kind: string,
    bytes: number,
    spare: number,
    fill: (address: number) => void,
  ) => number;
}

let compiled: WebAssembly.Module | undefined;
const rooms = new WeakMap<WasmBackend, Room>();

/** Compiles the kernels, the build that suits the engine; before the first room. */
export async function prepare(): Promise<void> {
  if (compiled !== undefined) return;
  const { binary } = await (hasFusedProducts() ? import('#fused-binary') : import('#binary'));
  compiled = await WebAssembly.compile(binary);
}

/** The room of a backend, made when the first kernel runs on it. */
export function roomOf(backend: WasmBackend): Room {
  let room = rooms.get(backend);
  if (room === undefined) {
    room = makeRoom(backend);
    rooms.set(backend, room);
  }
  return room;
}

function makeRoom(backend: WasmBackend): Room {
  const { wasm } = backend;
  const memory = wasm.asm?.memory;
  if (memory === undefined) {
    throw new TypeError(
      'the wasm backend was started with threads before useWasm, which works without: call it first',
    );
  }
  if (compiled === undefined) throw new Error('the kernels are not compiled: await useWasm() first');
  const kernels = new WebAssembly.Instance(compiled, { env: { memory } }).exports as unknown as Exports;

  refuseWhatDoesNotFit(wasm);
  kernels.setConstants(wasm._malloc(kernels.constantsSize()));
  let scratch = 0;
  let scratchBytes = 0;
  let made: TensorInfo[] = [];

  const kept = new WeakMap<object, Map<string, number>>();
  const disposeData = backend.disposeData.bind(backend);
  backend.disposeData = (dataId, force) => {
    const disposed = disposeData(dataId, force);
    if (disposed) {
      for (const address of kept.get(dataId)?.values() ?? []) if (address > 0) wasm._free(address);
      kept.delete(dataId);
    }
    return disposed;
  };

  const room: Room = {
    kernels,
    buffer: () => memory.buffer,
    numbers: (tensor) => {
      // First: what lay on another backend may make the memory grow.
      const address = room.address(tensor);
      return new Float32Array(memory.buffer, address, sizeOf(tensor.shape));
    },
    address: ({ dataId, shape, isDisposed }: TensorInfo & { isDisposed?: boolean }) => {
      if (isDisposed) throw new TypeError(`the tensor [${shape}] is disposed`);
      return backend.dataIdMap.get(dataId).memoryOffset;
    },
    output: (shape) => {
      const output = backend.makeOutput([...shape], 'float32');
      made.push(output);
      return output;
    },
    drop: (output) => {
      made = made.filter((other) => other !== output);
      backend.disposeData(output.dataId);
    },
    attempt: (work) => {
      made = [];
      try {
        return work();
      } catch (error) {
        for (const { dataId } of made) backend.disposeData(dataId);
        throw error;
      }
    },
    share: ({ dataId, shape, dtype }) => {
      backend.incRef(dataId);
      return { dataId, shape, dtype };
    },
    scratch: (bytes) => {
      if (bytes > scratchBytes) {
        if (scratch !== 0) wasm._free(scratch);
        scratch = scratchBytes = 0;
        scratch = wasm._malloc(bytes);
        scratchBytes = bytes;
      }
      return scratch;
    },
    derived: (tensor, kind, bytes, spare, fill) => {
      const known = kept.get(tensor.dataId) ?? new Map<string, number>();
      kept.set(tensor.dataId, known);
      const found = known.get(kind);
      if (found) return found;
      // Address 0 marks the first request.
      const address = found === undefined ? spare : wasm._malloc(bytes);
      known.set(kind, found === undefined ? 0 : address);
      fill(address);
      return address;
    },
  };
  return room;
}

/** What a memory of WebAssembly has at most, less the page that nobody gets. */
const MOST_BYTES = 2 ** 32 - 2 ** 16;

/**
 * Makes the memory run out with an error, for tfjs's own tensors too: without, tfjs puts what found no room at address 0,
 * over its own data, and what has more than 2³² bytes into as many less.
 */
function refuseWhatDoesNotFit(wasm: WasmBackend['wasm']): void {
  // The first call puts another function in its own place, so it comes before ours is put there.
  wasm._free(wasm._malloc(16));
  const { _malloc: allocate } = wasm;
  wasm._malloc = (bytes) => {
    const address = bytes <= MOST_BYTES ? allocate(bytes) >>> 0 : 0;
    if (address === 0) throw new RangeError(`the wasm backend has no room for ${bytes} bytes`);
    return address;
  };
}
