import '#gradients';
import * as tf from '@tensorflow/tfjs-core';
import type { Params } from './params.js';
import { sameShape } from './same-shape.js';

/** What tfjs's engine notes of a kernel that ran while it recorded. */
interface TapeNode {
  kernelName: string;
  inputs: Record<string, tf.Tensor>;
  outputs: tf.Tensor[];
  /** Clones that the engine made for the gradient; whoever ends the recording disposes them. */
  saved: tf.Tensor[];
  gradient?: (dys: (tf.Tensor | undefined)[]) => Record<string, () => tf.Tensor>;
}

/** The recording part of `tf.engine()`, there at run time but not in its types. */
interface Recorder {
  startTape(): void;
  endTape(): void;
  state: { activeTape: TapeNode[] | null; gradientDepth: number };
  /** Larger than those of all tensors before. */
  nextTensorId(): number;
}

/**
 * The value of a scalar function of a parameter tree together with its gradient, a tree of the same names and shapes.
 * A parameter that `f` does not use has a gradient of zeros. The caller disposes both.
 *
 * Every activation goes as soon as its last gradient was taken, and every gradient as soon as it was passed on, where
 * tfjs's own `tf.grads` keeps them all until the end: half the memory, for a deep network.
 * @throws RangeError if `f` returns anything but a scalar.
 */
export function valueAndGrad(f: (params: Params) => tf.Scalar): (params: Params) => {
  /** f(params). */
  value: tf.Scalar;
  /** ∂f/∂params, of the names and shapes of `params`. */
  grads: Params;
} {
  return (params) => {
    const recorder = tf.engine() as unknown as Recorder;
    // Within another gradient the recording goes on, and what was saved belongs to the outermost.
    const outermost = recorder.state.gradientDepth === 0;
    try {
      return tf.tidy(() => {
        recorder.startTape();
        let value: tf.Scalar;
        try {
          value = tf.tidy(() => scalar(f(params)));
        } finally {
          recorder.endTape();
        }
        return { value, grads: backward([...recorder.state.activeTape!], value, params, outermost) };
      });
    } finally {
      if (outermost) {
        for (const { saved } of recorder.state.activeTape ?? []) tf.dispose(saved);
        recorder.state.activeTape = null;
      }
    }
  };
}

/** Walks the tape from its end to its beginning, adding up the gradient of `value` for each tensor on the way. */
function backward(tape: TapeNode[], value: tf.Scalar, params: Params, forget: boolean): Params {
  const wanted = new Set(Object.values(params).map(({ id }) => id));
  const varying = new Set(wanted);
  for (const { inputs, outputs } of tape) {
    if (Object.values(inputs).some(({ id }) => varying.has(id)))
      for (const { id } of outputs) varying.add(id);
  }
  const gradients = new Map<number, tf.Tensor>([[value.id, tf.ones([])]]);
  for (const node of tape.reverse()) {
    const dys = node.outputs.map(({ id }) => gradients.get(id));
    if (dys.some((dy) => dy !== undefined)) {
      const inputs = Object.entries(node.inputs).filter(([, { id }]) => varying.has(id));
      const dxs = inputs.length > 0 ? inputGradients(node, dys, inputs) : [];
      for (const { id } of node.outputs) if (!wanted.has(id)) forgetGradient(gradients, id);
      inputs.forEach(([, { id }], i) => {
        const sum = gradients.get(id);
        gradients.set(id, sum ? tf.add(sum, dxs[i]!) : dxs[i]!);
        if (sum) tf.dispose([sum, dxs[i]!]);
      });
    }
    if (forget) tf.dispose(node.saved);
  }
  return Object.fromEntries(
    Object.entries(params).map(([name, x]) => [name, gradients.get(x.id) ?? tf.zerosLike(x)]),
  );
}

function forgetGradient(gradients: Map<number, tf.Tensor>, id: number): void {
  tf.dispose(gradients.get(id) ?? []);
  gradients.delete(id);
}

/** The gradients of one node, each a tensor of its own: a clone of what is another's, such as dy itself or a saved tensor. */
function inputGradients(
  { kernelName, gradient }: TapeNode,
  dys: (tf.Tensor | undefined)[],
  inputs: [string, tf.Tensor][],
): tf.Tensor[] {
  if (!gradient) throw new Error(`${kernelName} has no gradient registered`);
  return tf.tidy(() => {
    const before = (tf.engine() as unknown as Recorder).nextTensorId();
    const own = new Set<tf.Tensor>();
    const of = gradient(dys);
    return inputs.map(([name, x]) => {
      const dx = of[name]?.();
      if (dx?.dtype !== 'float32' || !sameShape(dx.shape, x.shape)) {
        throw new Error(
          `the gradient of ${kernelName} for ${name} must be float32 [${x.shape}], not ${dx?.dtype} [${dx?.shape}]`,
        );
      }
      if (dx.id < before || dx.kept || own.has(dx)) return tf.clone(dx);
      own.add(dx);
      return dx;
    });
  });
}

function scalar(value: tf.Tensor): tf.Scalar {
  if (value.size !== 1) throw new RangeError(`the function must return a scalar, not shape [${value.shape}]`);
  return tf.reshape(value, []);
}
