import * as tf from '@tensorflow/tfjs-core';
import { boxMuller } from './box-muller.js';
import { checkBackend, described } from './check-tensor.js';
import { philox } from './philox.js';

/**
 * A counter-based source of random numbers: the same on every backend and in every engine. The first axis of a shape
 * counts samples, and each sample has a stream of its own, so that sample i does not change with the batch size.
 * Successive draws differ; `fork` starts an independent source and leaves this one where it is.
 */
export interface Rng {
  /** Standard normal numbers, float32. */
  normal(shape: readonly number[]): tf.Tensor;
  /** Uniform numbers in [0, 1), float32, multiples of 2⁻²⁴. */
  uniform(shape: readonly number[]): tf.Tensor;
  /** Uniform numbers in [0, 1) on the host, float64, multiples of 2⁻⁵³. */
  doubles(count: number): Float64Array;
  /** Uniform integers in 0 … max − 1, int32. */
  integers(shape: readonly number[], max: number): tf.Tensor;
  /** An independent source at the same row; the same label gives the same one, whatever was drawn here. */
  fork(label: string | number): Rng;
  /** This source as seen from sample `first` on: its row 0 is this one's row `first`. */
  rows(first: number): Rng;
}

/**
 * The attributes of the kernels `DiffusionNormal` and `DiffusionUniform`, which a backend may register: one float32
 * tensor of `shape`, drawn row by row like `Rng.normal` and `Rng.uniform`, from the key, the first row and the draw.
 */
export interface RandomAttrs {
  /** Of the tensor. */
  shape: number[];
  /** How many rows it has: its first axis; 1 of a scalar. */
  rows: number;
  /** The low 32 bits of the key. */
  k0: number;
  /** The high 32 bits of the key. */
  k1: number;
  /** The row of the source that the tensor's first row is. */
  firstRow: number;
  /** How many draws the source has made before. */
  draw: number;
}

// The last word of the counter keeps draws and forks apart.
const DRAW = 0;
const FORK_NUMBER = 1;
const FORK_STRING = 2;

/**
 * A source seeded by a whole number in 0 … 2⁵³ − 1.
 * @throws RangeError if the seed is anything else. Draws of tensors throw TypeError if the shape is none, Error if no
 * backend of tfjs is ready.
 */
export function rng(seed: number): Rng {
  const [low, high] = words('seed', seed);
  return source(low, high, 0, 0);
}

function source(k0: number, k1: number, firstRow: number, firstDraw: number): Rng {
  let draw = firstDraw;
  const block = new Uint32Array(4);

  /** Fills `out` row by row, four words of the stream at a time; `convert` turns them into up to four numbers. */
  function fill<T extends Float32Array | Float64Array | Int32Array>(
    out: T,
    rows: number,
    convert: (numbers: Float64Array, words: Uint32Array) => void,
  ): T {
    const numbers = new Float64Array(4);
    const columns = out.length / rows;
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column += 4) {
        philox(block, column / 4, firstRow + row, draw, DRAW, k0, k1);
        convert(numbers, block);
        const count = Math.min(4, columns - column);
        for (let i = 0; i < count; i++) out[row * columns + column + i] = numbers[i]!;
      }
    }
    draw += 1;
    return out;
  }

  const size = (shape: readonly number[]): [number, number] => {
    if (!Array.isArray(shape))
      throw new TypeError(`shape must be a list of numbers, not ${described(shape)}`);
    checkBackend();
    const total = shape.reduce((product, side) => product * side, 1);
    return [total, shape[0] ?? 1];
  };

  /** Draws by a kernel of the active backend, if it has one that gives the same bits. */
  const drawnThere = (kernelName: string, shape: readonly number[]): tf.Tensor | undefined => {
    const [total, rows] = size(shape);
    if (total === 0 || tf.getKernel(kernelName, tf.getBackend()) === undefined) return undefined;
    const attrs: RandomAttrs = { shape: [...shape], rows, k0, k1, firstRow, draw };
    draw += 1;
    return tf.engine().runKernel(kernelName, {}, { ...attrs });
  };

  return {
    normal(shape) {
      const there = drawnThere('DiffusionNormal', shape);
      if (there !== undefined) return there;
      const [total, rows] = size(shape);
      const values = fill(new Float32Array(total), rows, (numbers, words) => {
        boxMuller(numbers, 0, words[0]!, words[1]!);
        boxMuller(numbers, 2, words[2]!, words[3]!);
      });
      return tf.tensor(values, [...shape], 'float32');
    },
    uniform(shape) {
      const there = drawnThere('DiffusionUniform', shape);
      if (there !== undefined) return there;
      const [total, rows] = size(shape);
      const values = fill(new Float32Array(total), rows, (numbers, words) => {
        for (let i = 0; i < 4; i++) numbers[i] = (words[i]! >>> 8) * 2 ** -24;
      });
      return tf.tensor(values, [...shape], 'float32');
    },
    doubles(count) {
      return fill(new Float64Array(count), count, (numbers, words) => {
        numbers[0] = ((words[0]! >>> 5) * 2 ** 26 + (words[1]! >>> 6)) * 2 ** -53;
      });
    },
    integers(shape, max) {
      if (!Number.isInteger(max) || max < 1 || max > 2 ** 31) {
        throw new RangeError(`max must be a whole number in 1 … 2³¹, not ${max}`);
      }
      const [total, rows] = size(shape);
      const values = fill(new Int32Array(total), rows, (numbers, words) => {
        for (let i = 0; i < 4; i++) numbers[i] = Math.floor((words[i]! * max) / 2 ** 32);
      });
      return tf.tensor(values, [...shape], 'int32');
    },
    fork(label) {
      if (typeof label === 'number') {
        const [low, high] = words('label', label);
        philox(block, low, high, 0, FORK_NUMBER, k0, k1);
      } else {
        philox(block, fnv1a(label, 0x811c9dc5), fnv1a(label, 0x01000193), label.length, FORK_STRING, k0, k1);
      }
      return source(block[0]!, block[1]!, firstRow, 0);
    },
    rows(first) {
      if (!Number.isInteger(first) || first < 0)
        throw new RangeError(`first must be a whole number, not ${first}`);
      return source(k0, k1, firstRow + first, draw);
    },
  };
}

function words(name: string, n: number): [number, number] {
  if (!Number.isSafeInteger(n) || n < 0) {
    throw new RangeError(`${name} must be a whole number in 0 … 2⁵³ − 1, not ${n}`);
  }
  return [n >>> 0, Math.floor(n / 2 ** 32)];
}

/** The 32-bit FNV-1a hash of the UTF-16 code units, from a given start. */
function fnv1a(text: string, start: number): number {
  let hash = start;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ (text.charCodeAt(i) & 0xff), 0x01000193);
    hash = Math.imul(hash ^ (text.charCodeAt(i) >>> 8), 0x01000193);
  }
  return hash >>> 0;
}
