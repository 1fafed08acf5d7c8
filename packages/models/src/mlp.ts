import { silu } from '@diffusion-ts/ops';
import * as tf from '@tensorflow/tfjs-core';
import { linearLayer } from './layers.js';
import { type Declare, type Forward, type Model, model } from './model.js';
import { acceptsClasses, toldEmbedding } from './told-embedding.js';

/** A network for vectors. */
export interface MlpConfig {
  /** Length of the vectors. */
  readonly dimensions: number;
  /** Length of what comes out; twice `dimensions` where the variance is learned. Default `dimensions`. */
  readonly outputs: number;
  /** Width of the hidden layers; default 128. */
  readonly hidden: number;
  /** How many residual layers; default 3. */
  readonly layers: number;
  /** How many sines and cosines of the time: at least one of each. Default 64. */
  readonly timeFeatures: number;
  /** How many labels there are, one for "no label" included if there is such; null (the default): unconditional. */
  readonly classes: number | null;
}

/**
 * Residual layers of equal width, each told about the time: `[batch, dimensions]` to `[batch, outputs]`. A fresh
 * one gives zeros, its last layer being zero.
 * @throws RangeError if a number is not a whole one from 1 on (`timeFeatures` from 2 on; `classes` may be null) or a key is
 * unknown.
 * @example
 * const model = mlp({ dimensions: 2, hidden: 64 });
 * const params = model.init(rng(0));
 * const epsilon = model.apply(params, xt, t); // xt [batch, 2], t [batch]
 */
export function mlp(config: Partial<MlpConfig> & Pick<MlpConfig, 'dimensions'>): Model<MlpConfig> {
  const complete = {
    outputs: config.dimensions,
    hidden: 128,
    layers: 3,
    timeFeatures: 64,
    classes: null,
    ...config,
  };
  check(complete);
  return model({
    config: complete,
    accepts: acceptsClasses(complete.classes),
    checkShape: (shape) => checkVectors(shape, complete.dimensions),
    build: (declare) => build(declare, complete),
  });
}

function build(declare: Declare, config: MlpConfig): Forward {
  const { dimensions, hidden, classes } = config;
  const embed = toldEmbedding(declare, {
    size: config.timeFeatures,
    cosineFirst: false,
    shift: 0,
    outputs: hidden,
    classes,
  });
  const input = linearLayer(declare, 'input', { inputs: dimensions, outputs: hidden });
  const layers = Array.from({ length: config.layers }, (_, i) => ({
    time: linearLayer(declare, `layers.${i}.time`, { inputs: hidden, outputs: hidden }),
    linear: linearLayer(declare, `layers.${i}.linear`, { inputs: hidden, outputs: hidden }),
  }));
  const output = linearLayer(declare, 'output', { inputs: hidden, outputs: config.outputs, zeroed: true });

  return (params, xt, told, condition) => {
    const embedding = embed(params, told, condition);
    let h = input(params, xt);
    for (const layer of layers) {
      h = tf.add(h, layer.linear(params, silu(tf.add(h, layer.time(params, embedding)))));
    }
    return output(params, silu(h));
  };
}

function check(config: MlpConfig): void {
  const known = ['dimensions', 'outputs', 'hidden', 'layers', 'timeFeatures', 'classes'];
  for (const [key, value] of Object.entries(config)) {
    if (!known.includes(key)) throw new RangeError(`config has the unknown key "${key}"`);
    if (key === 'classes' && value === null) continue;
    // A single feature would be the zero that fills up an odd number of waves: the network could not tell the time.
    const least = key === 'timeFeatures' ? 2 : 1;
    if (!Number.isSafeInteger(value) || value < least) {
      throw new RangeError(`${key} must be a whole number from ${least} on, not ${JSON.stringify(value)}`);
    }
  }
}

function checkVectors(shape: readonly number[], dimensions: number): void {
  if (shape.length !== 2 || shape[1] !== dimensions) {
    throw new RangeError(`xt must have shape [batch, ${dimensions}], not [${shape}]`);
  }
}
