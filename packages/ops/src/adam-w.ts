import { type Params, sameShape } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Kernels } from './kernels.js';
import { isPlainWasm } from './plain-wasm.js';
import { defineKernel } from './run-kernel.js';

/** Everything one step of AdamW needs. All trees have the names and shapes of `params`. */
export interface AdamWStepOptions {
  /** The parameters before the step. */
  params: Params;
  /** Their gradients. */
  grads: Params;
  /** The running mean of the gradients, zeros before the first step. */
  m: Params;
  /** The running mean of their squares, zeros before the first step. */
  v: Params;
  /** 1 at the first step. */
  step: number;
  /** From 0 up. */
  learningRate: number;
  /** How much of the two means a step keeps, each in [0, 1). */
  betas: readonly [number, number];
  /** Positive. */
  epsilon: number;
  /** From 0 up. */
  weightDecay: number;
  /** The gradients are scaled down to this norm, all together, if theirs is larger; positive. */
  maxGradNorm?: number;
  /** An exponential moving average of the parameters; decay, in [0, 1], is how much of it a step keeps. */
  ema?: { params: Params; decay: number };
}

/** Fresh tensors: the caller disposes the old ones, or these if the step is refused. */
export interface AdamWStepResult {
  /** The parameters after the step. */
  params: Params;
  /** The running mean of the gradients. */
  m: Params;
  /** The running mean of their squares. */
  v: Params;
  /** The moving average; there where one was given. */
  ema?: Params;
  /**
   * `[2]`: the norm of all gradients together, before clipping, and that of all new parameters. The squares are added up
   * to a float32 number: above √(2¹²⁸) ≈ 1.8e19 a norm is infinite. One NaN makes it NaN.
   */
  norms: tf.Tensor1D;
}

/**
 * One step of Adam with decoupled weight decay (Loshchilov and Hutter 2019) over all parameters at once:
 *
 * g ← g min(1, maxGradNorm / (‖g‖ + 1e-6)),
 * m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g²,
 * p ← p (1 − learningRate · weightDecay) − learningRate · (m / (1 − β₁ˢ)) / (√(v / (1 − β₂ˢ)) + epsilon),
 * ema ← ema + (1 − decay) (p − ema).
 *
 * So written the average of what does not change is that itself: decay and 1 − decay, rounded to float32, do not add up
 * to 1. It comes within 2⁻²⁴ / (1 − decay) of a parameter that stands still, 6e-4 at 0.9999, where float32 has no smaller
 * step. Nothing is written in place: where a norm is not finite the caller throws the result away and has lost nothing.
 * @throws RangeError if the trees differ in names or shapes, the step is not a whole number from 1 on, or another number
 * is out of its range.
 */
export function adamWStep(options: AdamWStepOptions): AdamWStepResult {
  const { params, grads, m, v, step, learningRate, betas, epsilon, weightDecay, maxGradNorm, ema } = options;
  const names = Object.keys(params);
  check({ params, grads, m, v, ...(ema && { ema: ema.params }) }, params);
  checkNumbers(options);
  const trees = { param: params, grad: grads, m, v, ...(ema && { ema: ema.params }) };
  const inputs: Kernels['DiffusionAdamW']['inputs'] = Object.fromEntries(
    Object.entries(trees).flatMap(([tree, tensors]) =>
      names.map((name, i) => [`${tree}${i}`, tensors[name]!]),
    ),
  );
  const [norms, ...outputs] = kernel(inputs, {
    count: names.length,
    step,
    learningRate,
    beta1: betas[0],
    beta2: betas[1],
    epsilon,
    weightDecay,
    ...(maxGradNorm !== undefined && { maxGradNorm }),
    ...(ema && { emaDecay: ema.decay }),
  });
  const tree = (part: number): Params =>
    Object.fromEntries(names.map((name, i) => [name, outputs[part * names.length + i]!]));
  return {
    params: tree(0),
    m: tree(1),
    v: tree(2),
    ...(ema && { ema: tree(3) }),
    norms: norms as tf.Tensor1D,
  };
}

const kernel = defineKernel('DiffusionAdamW', (inputs, attrs) => {
  const { count, step, learningRate, beta1, beta2, epsilon, weightDecay, maxGradNorm, emaDecay } = attrs;
  const indices = Array.from({ length: count }, (_, i) => i);
  // Everything in one vector: a few large operations instead of a dozen small ones per parameter.
  const flat = (tree: 'param' | 'grad' | 'm' | 'v' | 'ema'): tf.Tensor1D =>
    tf.concat1d(indices.map((i) => tf.reshape(inputs[`${tree}${i}`]!, [-1])));
  const unflatten = (vector: tf.Tensor): tf.Tensor[] =>
    splitLike(
      vector,
      indices.map((i) => inputs[`param${i}`]!.shape),
    );

  let g = flat('grad');
  const gradNorm = norm(g);
  if (maxGradNorm !== undefined) {
    g = tf.mul(g, tf.minimum(1, tf.div(maxGradNorm, tf.add(gradNorm, 1e-6))));
  }
  const m = tf.add(tf.mul(flat('m'), beta1), tf.mul(g, 1 - beta1));
  const v = tf.add(tf.mul(flat('v'), beta2), tf.mul(tf.square(g), 1 - beta2));
  const deviation = tf.add(tf.mul(tf.sqrt(v), 1 / Math.sqrt(1 - beta2 ** step)), epsilon);
  const update = tf.mul(tf.div(m, deviation), learningRate / (1 - beta1 ** step));
  const params: tf.Tensor1D = tf.sub(tf.mul(flat('param'), 1 - learningRate * weightDecay), update);
  const trees: tf.Tensor[] = [params, m, v];
  if (emaDecay !== undefined) {
    const ema = flat('ema');
    trees.push(tf.add(ema, tf.mul(tf.sub(params, ema), 1 - emaDecay)));
  }
  return [tf.stack([gradNorm, norm(params)]), ...trees.flatMap(unflatten)];
});

/** Adds up a row of 1024 at a time: one running float32 sum over all parameters is off in the fourth digit. */
function norm(vector: tf.Tensor1D): tf.Scalar {
  const rows = Math.ceil(vector.size / 1024);
  const squares = tf.concat1d([tf.square(vector), tf.zeros([rows * 1024 - vector.size])]);
  return tf.sqrt(tf.sum(tf.sum(tf.reshape(squares, [rows, 1024]), 1)));
}

/** The parts of a vector as tensors of the given shapes, one after the other. */
function splitLike(vector: tf.Tensor, shapes: number[][]): tf.Tensor[] {
  const sizes = shapes.map((shape) => shape.reduce((product, side) => product * side, 1));
  if (!isPlainWasm()) return tf.split(vector, sizes).map((part, i) => tf.reshape(part, shapes[i]!));
  const values = vector.dataSync<'float32'>();
  let end = 0;
  return shapes.map((shape, i) => {
    const start = end;
    end += sizes[i]!;
    return tf.tensor(values.subarray(start, end), shape);
  });
}

function checkNumbers({ step, learningRate, ema, ...numbers }: AdamWStepOptions): void {
  if (!Number.isInteger(step) || step < 1) {
    throw new RangeError(`step must be a whole number from 1 on, not ${step}`);
  }
  if (!(learningRate >= 0 && learningRate < Infinity)) {
    throw new RangeError(`learningRate must be a finite number from 0 up, not ${learningRate}`);
  }
  if (ema !== undefined && !(ema.decay >= 0 && ema.decay <= 1)) {
    throw new RangeError(`ema.decay must be in [0, 1], not ${ema.decay}`);
  }
  checkAdamW(numbers);
}

/** @throws RangeError if one of the numbers that stay the same from step to step is out of its range. */
export function checkAdamW({
  betas,
  epsilon,
  weightDecay,
  maxGradNorm,
}: Pick<AdamWStepOptions, 'betas' | 'epsilon' | 'weightDecay' | 'maxGradNorm'>): void {
  for (const [i, beta] of betas.entries()) {
    if (!(beta >= 0 && beta < 1)) throw new RangeError(`betas[${i}] must be in [0, 1), not ${beta}`);
  }
  // Below the least number of float32 it would be 0 there, and a weight without a gradient 0/0.
  if (!(Math.fround(epsilon) > 0 && epsilon < Infinity)) {
    throw new RangeError(`epsilon must be a positive finite number of float32, not ${epsilon}`);
  }
  if (!(weightDecay >= 0 && weightDecay < Infinity)) {
    throw new RangeError(`weightDecay must be a finite number from 0 up, not ${weightDecay}`);
  }
  if (maxGradNorm !== undefined && !(maxGradNorm > 0)) {
    throw new RangeError(`maxGradNorm must be positive, not ${maxGradNorm}`);
  }
}

function check(trees: Record<string, Params>, params: Params): void {
  const names = Object.keys(params);
  if (names.length === 0) throw new RangeError('params must hold at least one tensor, it is empty');
  for (const [tree, tensors] of Object.entries(trees)) {
    const extra = Object.keys(tensors).find((name) => params[name] === undefined);
    if (extra !== undefined) throw new RangeError(`${tree}: "${extra}" is not among the params`);
    for (const name of names) {
      const tensor = tensors[name];
      if (tensor === undefined) throw new RangeError(`${tree}: "${name}" is missing`);
      if (!sameShape(tensor.shape, params[name]!.shape)) {
        throw new RangeError(`${tree}: "${name}" must be [${params[name]!.shape}], not [${tensor.shape}]`);
      }
    }
  }
}
