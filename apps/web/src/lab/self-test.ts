import { conv2d, groupNorm, scaledDotProductAttention } from '@diffusion-ts/ops';
import { disposeParams, type Params, rng, valueAndGrad } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';

const TOLERANCE = 2e-3;

/** One kind of work that a network is made of: what comes out of it, and the gradients of that for all that goes in. */
interface Task {
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  readonly output: (inputs: Params) => tf.Tensor;
}

// Small: a driver without a graphics card takes a tenth of a second for every new kind of kernel.
const TASKS: Readonly<Record<string, Task>> = {
  'random numbers': {
    inputs: { x: [2, 12] },
    output: ({ x }) => tf.mul(x!, rng(2).normal([2, 12])),
  },
  convolution: {
    inputs: { x: [2, 6, 6, 4], weight: [3, 3, 4, 8], bias: [8] },
    output: ({ x, weight, bias }) =>
      conv2d(x as tf.Tensor4D, weight as tf.Tensor4D, bias as tf.Tensor1D, { stride: 2, padding: 1 }),
  },
  'group normalisation': {
    inputs: { x: [2, 4, 4, 8], scale: [8], offset: [8] },
    output: ({ x, scale, offset }) =>
      groupNorm(x as tf.Tensor4D, scale as tf.Tensor1D, offset as tf.Tensor1D, {
        groups: 2,
        epsilon: 1e-5,
        activation: 'silu',
      }),
  },
  attention: {
    inputs: { q: [2, 2, 6, 8], k: [2, 2, 6, 8], v: [2, 2, 6, 8] },
    output: ({ q, k, v }) => scaledDotProductAttention(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D),
  },
};

const NAMES: Readonly<Record<string, string>> = { wasm: 'WebAssembly', webgpu: 'WebGPU' };

/**
 * Makes `candidate` the backend if its numbers are those of `reference`: else that one stays. `note` says in a sentence
 * what was found.
 */
export async function adopt(
  candidate: string,
  reference: string,
): Promise<{ readonly adopted: boolean; readonly note: string }> {
  const [name, other] = [candidate, reference].map((backend) => NAMES[backend] ?? backend);
  try {
    const worst = await largestDifference(candidate, reference);
    if (!(worst.difference < TOLERANCE)) {
      throw new RangeError(
        `its ${worst.task} differs from ${other}'s by ${(100 * worst.difference).toPrecision(2)} %`,
      );
    }
    await tf.setBackend(candidate);
    return {
      adopted: true,
      note: `${name} is in use: its numbers agree with ${other}'s to ${worst.difference.toExponential(0)}.`,
    };
  } catch (error) {
    await tf.setBackend(reference);
    const reason = error instanceof Error ? error.message : String(error);
    return { adopted: false, note: `${name} is not used: ${reason}.` };
  }
}

/** Where the two differ most, relative to the norm of what `reference` gives. */
async function largestDifference(
  candidate: string,
  reference: string,
): Promise<{ task: string; difference: number }> {
  let worst = { task: '', difference: 0 };
  for (const [task, work] of Object.entries(TASKS)) {
    const expected = await answers(reference, work);
    const actual = await answers(candidate, work);
    const norm = Math.hypot(...expected);
    const difference = Math.hypot(...expected.map((value, i) => value - actual[i]!)) / norm;
    // A NaN is the worst of all, and stays.
    if (!(difference <= worst.difference)) worst = { task, difference };
    if (Number.isNaN(difference)) break;
  }
  return worst;
}

async function answers(backend: string, { inputs, output }: Task): Promise<Float32Array> {
  if (!(await tf.setBackend(backend))) throw new RangeError('this browser gives no adapter for it');
  const random = rng(1);
  const given = Object.fromEntries(
    Object.entries(inputs).map(([name, shape]) => [name, random.fork(name).normal(shape)] as const),
  );
  const result = tf.tidy(() => output(given));
  const weights = random.fork('weights').normal(result.shape);
  const { value, grads } = valueAndGrad((params) =>
    tf.tidy(() => tf.sum<tf.Scalar>(tf.mul(output(params), weights))),
  )(given);
  const all = [result, value, ...Object.values(grads)];
  const numbers = await Promise.all(all.map((tensor) => tensor.data<'float32'>()));
  tf.dispose([result, value, weights]);
  disposeParams(grads);
  disposeParams(given);
  return Float32Array.from(numbers.flatMap((part) => [...part]));
}
