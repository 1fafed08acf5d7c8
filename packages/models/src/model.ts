import type { Condition, Params, Rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Initial } from './initial.js';

/** A network as a pure function of its parameters. */
export interface Model<C> {
  /** Every choice that the network was built from, defaults included: plain JSON. */
  readonly config: C;
  /** The shape of every parameter in our layout, by its name in the PyTorch state dict and in that order. */
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  /** Fresh parameters; each is drawn from `rng.fork(name)`. The caller disposes them. */
  init(rng: Rng): Params;
  /**
   * The raw output for noisy data `xt` `[batch, …]` at the timesteps `t` `[batch]`. Of the condition a network takes
   * what it knows. Dropout happens only where an `rng` is given, as in training.
   * @throws RangeError if `params` are not those of this network, or `xt`, `t` or the condition do not fit.
   */
  apply(params: Params, xt: tf.Tensor, t: tf.Tensor1D, condition?: Condition, rng?: Rng): tf.Tensor;
}

/** Announces a parameter while a network is built; what comes back finds it in `Params` when the network runs. */
export type Declare = <T extends tf.Tensor>(
  name: string,
  shape: readonly number[],
  initial: Initial,
) => (params: Params) => T;

/** What `build` makes of the declared parameters; its inputs have been checked. */
export type Forward = (
  params: Params,
  xt: tf.Tensor,
  t: tf.Tensor1D,
  labels: tf.Tensor1D | undefined,
  rng: Rng | undefined,
) => tf.Tensor;

/** How a network is made. */
export interface Blueprint<C> {
  readonly config: C;
  /** How many labels it knows, and then cannot do without; null if it takes none. */
  readonly classes: number | null;
  /** Throws if the network cannot take data of this shape. */
  checkShape(shape: readonly number[]): void;
  /** Declares the parameters, in the order of the state dict, and returns the function of them. */
  build(declare: Declare): Forward;
}

export function model<C>({ config, classes, checkShape, build }: Blueprint<C>): Model<C> {
  const shapes: Record<string, readonly number[]> = {};
  const initials: Record<string, Initial> = {};
  const forward = build((name, shape, initial) => {
    shapes[name] = shape;
    initials[name] = initial;
    return <T>(params: Params) => params[name] as T;
  });
  return {
    config,
    shapes,
    init: (rng) =>
      Object.fromEntries(
        Object.entries(initials).map(([name, initial]) => [
          name,
          initial(rng.fork(name), [...shapes[name]!]),
        ]),
      ),
    apply(params, xt, t, condition, rng) {
      checkParams(params, shapes);
      checkShape(xt.shape);
      checkBatch('t', t, xt.shape[0]!);
      const labels = classes === null ? undefined : checkLabels(condition?.labels, classes, xt.shape[0]!);
      return tf.tidy(() => forward(params, xt, t, labels, rng));
    },
  };
}

function checkParams(params: Params, shapes: Model<unknown>['shapes']): void {
  for (const [name, shape] of Object.entries(shapes)) {
    const tensor = params[name];
    if (tensor === undefined) throw new RangeError(`params: "${name}" is missing`);
    if (!tf.util.arraysEqual(tensor.shape, [...shape])) {
      throw new RangeError(`params: "${name}" must have shape [${shape}], not [${tensor.shape}]`);
    }
  }
  const extra = Object.keys(params).find((name) => shapes[name] === undefined);
  if (extra !== undefined) throw new RangeError(`params: this network has no "${extra}"`);
}

function checkBatch(name: string, tensor: tf.Tensor, batch: number): void {
  if (tensor.rank !== 1 || tensor.shape[0] !== batch) {
    throw new RangeError(`${name} must have shape [${batch}], one per example of xt, not [${tensor.shape}]`);
  }
}

function checkLabels(labels: tf.Tensor1D | undefined, classes: number, batch: number): tf.Tensor1D {
  if (labels === undefined)
    throw new RangeError('condition.labels: this network needs one label per example');
  checkBatch('condition.labels', labels, batch);
  if (labels.dtype !== 'int32') throw new RangeError(`condition.labels must be int32, not ${labels.dtype}`);
  const unknown = labels.dataSync().find((label) => label < 0 || label >= classes);
  if (unknown !== undefined) {
    throw new RangeError(`condition.labels must lie in 0 … ${classes - 1}, ${unknown} does not`);
  }
  return labels;
}
