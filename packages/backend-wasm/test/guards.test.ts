import type * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { opsKernels } from '../src/ops-kernels.js';
import { randomKernels } from '../src/random-kernels.js';
import { prepare, roomOf } from '../src/room.js';
import { sizeOf } from '../src/shapes.js';
import { softmaxGradientKernel } from '../src/softmax-gradient.js';
import { tfjsKernels } from '../src/tfjs-kernels.js';
import { GuardedBackend } from './guarded-backend.js';
import { type Call, changed, emptied, rightCalls } from './kernel-calls.js';

beforeAll(prepare);

type Outputs = tf.TensorInfo | tf.TensorInfo[] | undefined;
type Run = (backend: GuardedBackend, inputs: tf.NamedTensorInfoMap, attrs: tf.NamedAttrMap) => Outputs;

const ours = [...opsKernels, ...randomKernels, softmaxGradientKernel].map(
  ({ kernelName, kernelFunc }): [string, Run] => [
    kernelName,
    (backend, inputs, attrs) => kernelFunc({ inputs, attrs, backend }),
  ],
);
const ofTfjs = tfjsKernels.map(({ name, run }): [string, Run] => [
  name,
  (backend, inputs, attrs) => {
    const room = roomOf(backend);
    return room.attempt(() => run(room, inputs as Record<string, tf.TensorInfo>, attrs));
  },
]);

/** Numbers like those of a network, the same at every call. */
function numbers({ shape, dtype }: { shape: number[]; dtype: tf.DataType }, seed: number): number[] {
  return Array.from({ length: sizeOf(shape) }, (_, i) => {
    const x = Math.sin((i + 1) * 12.9898 + seed * 78.233) * 43758.5453;
    const uniform = x - Math.floor(x);
    return dtype === 'float32' ? 0.1 + uniform : Math.floor(uniform * 7) - 1;
  });
}

/** What became of a call: the bytes of its results or an error, or neither where it is left to tfjs's own kernel. */
interface Outcome {
  bytes?: Uint8Array[];
  error?: Error;
}

function outcome(run: Run, { inputs, attrs }: Call, backend: GuardedBackend): Outcome {
  const tensors = Object.fromEntries(
    Object.entries(inputs).map(([name, info], i) => [
      name,
      backend.tensor(numbers(info, i), info.shape, info.dtype),
    ]),
  );
  const before = Object.values(tensors).map((tensor) => backend.bytes(tensor));
  let results: Outputs;
  let error: Error | undefined;
  try {
    results = run(backend, tensors, structuredClone(attrs) as tf.NamedAttrMap);
  } catch (thrown) {
    error = thrown as Error;
  }
  expect(backend.damage(), 'written outside of what was allocated').toEqual([]);
  Object.values(tensors).forEach((tensor, i) => {
    expect(Buffer.compare(backend.bytes(tensor), before[i]!), 'input that was written to').toBe(0);
  });
  if (error) return { error };
  if (results === undefined) return {};
  const bytes = [results].flat().map((tensor) => {
    expect(backend.hasGap(tensor), 'a number that was never written').toBe(false);
    return backend.bytes(tensor);
  });
  return { bytes };
}

const NOT_A_NUMBER = 0x7fc00bad;
const HUGE = 0x7149f2ca;

/** What became of a call, which must not depend on what lies around its tensors. */
function checked(run: Run, call: Call): Outcome {
  const result = outcome(run, call, new GuardedBackend(NOT_A_NUMBER));
  const { bytes, error } = outcome(run, call, new GuardedBackend(HUGE));
  expect(error?.message).toBe(result.error?.message);
  expect(bytes?.length).toBe(result.bytes?.length);
  bytes?.forEach((of, i) => {
    expect(Buffer.compare(of, result.bytes![i]!), 'result that something around its tensors changed').toBe(0);
  });
  return result;
}

/** Asserts that an error is one that somebody wrote. */
function expectSentence({ error }: Outcome): void {
  expect(error?.message ?? 'nothing').not.toMatch(
    /Cannot read|not iterable|not a function|typed array|array length|out of bounds|by zero|unreachable/,
  );
}

it('there are calls for every kernel', () => {
  expect([...ours, ...ofTfjs].map(([name]) => name).sort()).toEqual(Object.keys(rightCalls).sort());
});

describe.each([...ours, ...ofTfjs])('%s', (name, run) => {
  const draw = rightCalls[name]!;
  const isOurs = ours.some(([other]) => other === name);

  it('writes every number of its results, and touches nothing but its tensors and its scratch', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const { error } = checked(run, draw(g));
        if (error) throw error;
      }),
      { numRuns: 40, seed: 1 },
    );
  });

  it('says what is wrong with an input or an attribute before it touches anything', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        expectSentence(checked(run, changed(draw(g), isOurs, g)));
      }),
      { numRuns: 100, seed: 2 },
    );
  });

  it('takes empty tensors, or says what is wrong with them', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        expectSentence(checked(run, emptied(draw(g), g)));
      }),
      { numRuns: 150, seed: 3 },
    );
  });
});

it.each(['DiffusionGroupNorm', 'DiffusionGroupNormGrad'])(
  '%s with SiLU stays within its scratch on one row of one to four channels',
  (name) => {
    const [, run] = ours.find(([other]) => other === name)!;
    for (const c of [1, 2, 3, 4]) {
      const of =
        (...names: string[]) =>
        (shape: number[]) =>
          Object.fromEntries(names.map((input) => [input, { shape, dtype: 'float32' as const }]));
      const inputs = {
        ...of('x', 'dy')([1, c]),
        ...of('scale', 'offset')([c]),
        ...of('mean', 'inverseDeviation')([1, 1]),
      };
      const { bytes, error } = checked(run, {
        inputs,
        attrs: { groups: 1, epsilon: 1e-3, activation: 'silu' },
      });
      expect(error).toBeUndefined();
      expect(bytes).toHaveLength(3);
    }
  },
);
