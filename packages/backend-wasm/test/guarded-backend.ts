import type { DataType, TensorInfo } from '@tensorflow/tfjs-core';
import type { WasmBackend } from '../src/room.js';

const GUARD = 4096;

interface Allocation {
  readonly begin: number;
  readonly bytes: number;
  free: boolean;
}

const memory = new WebAssembly.Memory({ initial: 1024, maximum: 16384 });

/**
 * A stand-in for tfjs's wasm backend: every allocation lies between two guards of 4 KiB, and these, what is allocated and
 * what was freed are full of one word, so that a read beyond a tensor shows in the result and a write in the guards.
 */
export class GuardedBackend implements WasmBackend {
  readonly #word: number;
  readonly #allocations: Allocation[] = [];
  readonly #tensors = new Map<object, { memoryOffset: number }>();
  #end = 64;

  readonly wasm = {
    asm: { memory },
    _malloc: (bytes: number): number => this.#allocate(bytes),
    _free: (address: number): void => {
      const allocation = this.#allocations.find(({ begin, free }) => begin === address && !free);
      if (allocation === undefined) throw new Error(`address ${address} is freed and was not allocated`);
      allocation.free = true;
      this.#fill(address, address + allocation.bytes);
    },
  };

  readonly dataIdMap = {
    get: (dataId: object): { memoryOffset: number } => this.#tensors.get(dataId) as { memoryOffset: number },
  };

  /** `word` is what fills all that is no number of a tensor. */
  constructor(word: number) {
    this.#word = word;
  }

  #fill(begin: number, end: number): void {
    new Int32Array(memory.buffer, begin, (end - begin) / 4).fill(this.#word);
  }

  #allocate(bytes: number): number {
    const begin = this.#end + GUARD;
    const whole = Math.ceil(bytes / 16) * 16;
    this.#end = begin + whole;
    const missing = this.#end + GUARD - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / 65536));
    this.#fill(begin - GUARD, this.#end + GUARD);
    // What rounds a size up to words is part of the guard behind it; a tensor of bytes has none of its own.
    this.#allocations.push({ begin, bytes: Math.ceil(bytes / 4) * 4, free: false });
    return begin;
  }

  makeOutput(shape: number[], dtype: DataType): TensorInfo {
    const size = shape.reduce((product, length) => product * length, 1);
    const dataId = {};
    this.#tensors.set(dataId, { memoryOffset: this.#allocate(size * (dtype === 'bool' ? 1 : 4)) });
    return { dataId, shape, dtype };
  }

  disposeData(dataId: object): boolean {
    const tensor = this.#tensors.get(dataId);
    if (tensor !== undefined) this.wasm._free(tensor.memoryOffset);
    return this.#tensors.delete(dataId);
  }

  incRef(): void {}

  /** A tensor of these numbers. */
  tensor(values: ArrayLike<number>, shape: number[], dtype: DataType): TensorInfo {
    const tensor = this.makeOutput(shape, dtype);
    this.#numbers(tensor).set(values);
    return tensor;
  }

  /** A copy of the bytes of a tensor. */
  bytes(tensor: TensorInfo): Uint8Array {
    const { buffer, byteOffset, byteLength } = this.#numbers(tensor);
    return new Uint8Array(buffer, byteOffset, byteLength).slice();
  }

  /** Whether a number of the tensor was never written. */
  hasGap(tensor: TensorInfo): boolean {
    return tensor.dtype !== 'bool' && new Int32Array(this.bytes(tensor).buffer).includes(this.#word);
  }

  #numbers({ dataId, shape, dtype }: TensorInfo): Float32Array | Int32Array | Uint8Array {
    const size = shape.reduce((product, length) => product * length, 1);
    const View = { float32: Float32Array, int32: Int32Array, bool: Uint8Array }[dtype as 'float32'];
    return new View(memory.buffer, this.#tensors.get(dataId)!.memoryOffset, size);
  }

  /** Where something was written that belongs to no tensor and no scratch, as bytes from the nearest one. */
  damage(): string[] {
    const found: string[] = [];
    const look = (begin: number, end: number, what: (at: number) => string): void => {
      const words = new Int32Array(memory.buffer, begin, (end - begin) / 4);
      for (let i = 0; i < words.length; i++) {
        if (words[i] === this.#word) continue;
        found.push(what(begin + 4 * i));
        return;
      }
    };
    for (const { begin, bytes, free } of this.#allocations) {
      const end = begin + bytes;
      look(begin - GUARD, begin, (at) => `${begin - at} bytes before ${bytes} bytes`);
      look(end, end + GUARD, (at) => `${at - end} bytes behind ${bytes} bytes`);
      if (free) look(begin, end, (at) => `at byte ${at - begin} of ${bytes} bytes that were freed`);
    }
    return found;
  }
}
