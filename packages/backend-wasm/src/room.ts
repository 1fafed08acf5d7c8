import type { DataType, TensorInfo } from '@tensorflow/tfjs-core';
import { binary } from '#binary';
import type { Exports } from './exports.js';

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
  readonly address: (tensor: TensorInfo) => number;
  readonly output: (shape: readonly number[]) => TensorInfo;
  /** Another tensor with the same data. */
  readonly share: (tensor: TensorInfo) => TensorInfo;
  /** At least so many bytes for the length of one kernel; the last ones given are overwritten. */
  readonly scratch: (bytes: number) => number;
  /**
   * `bytes` bytes made from `tensor` by `fill`. The first time they are made in `spare`; asked for again they are kept
   * until the tensor is disposed: weights that change at every step come and go, those of a sampler stay.
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

/** Compiles the kernels ahead of their first use: a page should not do that synchronously. */
export async function prepare(): Promise<void> {
  compiled ??= await WebAssembly.compile(binary);
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
  compiled ??= new WebAssembly.Module(binary);
  const kernels = new WebAssembly.Instance(compiled, { env: { memory } }).exports as unknown as Exports;

  const allocate = (bytes: number): number => {
    const address = wasm._malloc(bytes) >>> 0;
    if (address === 0) throw new RangeError(`the wasm backend has no room for ${bytes} bytes`);
    return address;
  };
  kernels.setConstants(allocate(kernels.constantsSize()));
  let scratch = 0;
  let scratchBytes = 0;

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

  return {
    kernels,
    buffer: () => memory.buffer,
    address: (tensor) => backend.dataIdMap.get(tensor.dataId).memoryOffset,
    output: (shape) => backend.makeOutput([...shape], 'float32'),
    share: ({ dataId, shape, dtype }) => {
      backend.incRef(dataId);
      return { dataId, shape, dtype };
    },
    scratch: (bytes) => {
      if (bytes > scratchBytes) {
        if (scratch !== 0) wasm._free(scratch);
        scratch = allocate(bytes);
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
      const address = found === undefined ? spare : allocate(bytes);
      known.set(kind, found === undefined ? 0 : address);
      fill(address);
      return address;
    },
  };
}
