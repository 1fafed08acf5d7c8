import {
  type Condition,
  checkParams,
  type Layout,
  type Layouts,
  type Params,
  type Rng,
  type Shapes,
} from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Initial } from './initial.js';

/** A tensor of the condition as a network needs it: one row for each example. */
export interface Accepted {
  /** Of one row; null where any size will do. `[]`: a number for each example. */
  readonly shape: readonly (number | null)[];
  /** Of its numbers: int32 of classes. */
  readonly dtype: 'int32' | 'float32';
  /** How many integers it knows, 0 … below − 1; those of a table of classes. */
  readonly below?: number;
}

/** A network as a pure function of its parameters. */
export interface Model<C> {
  /** Every choice that the network was built from, defaults included: plain JSON. */
  readonly config: C;
  /** The shape of every parameter in our layout, by its name in the PyTorch state dict and in that order. */
  readonly shapes: Shapes;
  /** The layout of every parameter that PyTorch lays out otherwise: what reading and writing its weights asks for. */
  readonly layouts: Layouts;
  /** What the network has to be told beside the time, by its name in the condition: `label`, if it knows classes. */
  readonly accepts: Readonly<Record<string, Accepted>>;
  /** Fresh parameters; each is drawn from `rng.fork(name)`. The caller disposes them. */
  init(rng: Rng): Params;
  /**
   * The raw output for noisy data `xt` `[batch, …]`, told one number for each example, its time: `told` `[batch]`, float32
   * or int32. Of the condition a network takes what it `accepts`, and ignores the rest. Dropout happens only where an
   * `rng` is given, as in training.
   *
   * No number is read back from a tensor, which would stall a GPU: a label that is not below `accepts.label.below` has no
   * embedding, as if there were no classes, and it is the data set that checks its labels.
   * @throws RangeError if `params` are not those of this network, or `xt`, `told` or the condition do not fit.
   */
  apply(params: Params, xt: tf.Tensor, told: tf.Tensor1D, condition?: Condition, rng?: Rng): tf.Tensor;
}

/**
 * Announces a parameter while a network is built, with its layout if PyTorch has another; what comes back finds it in
 * `Params` when the network runs.
 */
export type Declare = <T extends tf.Tensor>(
  name: string,
  shape: readonly number[],
  initial: Initial,
  layout?: Layout,
) => (params: Params) => T;

/** What `build` makes of the declared parameters; its inputs have been checked, and the condition has what is accepted. */
export type Forward = (
  params: Params,
  xt: tf.Tensor,
  told: tf.Tensor1D,
  condition: Condition,
  rng: Rng | undefined,
) => tf.Tensor;

/** How a network is made. */
export interface Blueprint<C> extends Pick<Model<C>, 'config' | 'accepts'> {
  /** Throws if the network cannot take data of this shape. */
  checkShape(shape: readonly number[]): void;
  /** Declares the parameters, in the order of the state dict, and returns the function of them. */
  build(declare: Declare): Forward;
}

export function model<C>({ config, accepts, checkShape, build }: Blueprint<C>): Model<C> {
  const { forward, ...parameters } = declared(build);
  return {
    config,
    ...parameters,
    accepts,
    apply(params, xt, told, condition = {}, rng) {
      checkParams('params', params, parameters.shapes);
      checkShape(xt.shape);
      const batch = xt.shape[0]!;
      checkRows('told', told, [batch]);
      if (told.dtype !== 'float32' && told.dtype !== 'int32') {
        throw new RangeError(`told must be float32 or int32, not ${told.dtype}`);
      }
      for (const [name, accepted] of Object.entries(accepts)) checkAccepted(condition, name, accepted, batch);
      return tf.tidy(() => forward(params, xt, told, condition, rng));
    },
  };
}

/** The parameters that `build` declares, and the function of them that it returns. */
export function declared<F>(
  build: (declare: Declare) => F,
): Pick<Model<unknown>, 'shapes' | 'layouts' | 'init'> & { readonly forward: F } {
  const shapes: Record<string, readonly number[]> = {};
  const layouts: Record<string, Layout> = {};
  const initials: Record<string, Initial> = {};
  const forward = build((name, shape, initial, layout) => {
    shapes[name] = shape;
    if (layout) layouts[name] = layout;
    initials[name] = initial;
    return <T>(params: Params) => params[name] as T;
  });
  return {
    shapes,
    layouts,
    init: (rng) =>
      Object.fromEntries(
        Object.entries(initials).map(([name, initial]) => [
          name,
          initial(rng.fork(name), [...shapes[name]!]),
        ]),
      ),
    forward,
  };
}

function checkAccepted(condition: Condition, name: string, { shape, dtype }: Accepted, batch: number): void {
  const tensor = condition[name];
  const rows = [batch, ...shape];
  if (tensor === undefined) {
    throw new RangeError(`condition.${name}: this network needs it, ${dtype} of shape ${described(rows)}`);
  }
  if (tensor.dtype !== dtype) {
    throw new RangeError(`condition.${name} must be ${dtype}, not ${tensor.dtype}`);
  }
  checkRows(`condition.${name}`, tensor, rows);
}

function checkRows(name: string, { shape }: tf.Tensor, rows: readonly (number | null)[]): void {
  if (shape.length === rows.length && rows.every((size, axis) => size === null || size === shape[axis]))
    return;
  throw new RangeError(`${name} must have shape ${described(rows)}, one per example of xt, not [${shape}]`);
}

function described(shape: readonly (number | null)[]): string {
  return `[${shape.map((size) => size ?? 'any')}]`;
}
