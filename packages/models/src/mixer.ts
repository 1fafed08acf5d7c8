import { silu } from '@diffusion-ts/ops';
import * as tf from '@tensorflow/tfjs-core';
import { embeddingLayer, linearLayer } from './layers.js';
import { type Declare, type Forward, type Model, model } from './model.js';
import { toldEmbedding } from './told-embedding.js';

/** A network for sequences of classes. */
export interface MixerConfig {
  /** Length of the sequences. */
  readonly length: number;
  /** How many states a place may be in: the classes, and perhaps a mask. */
  readonly states: number;
  /** How many logits come out for each place; default `states`. */
  readonly outputs: number;
  /** Width of the vector of a place; default 128. */
  readonly hidden: number;
  /** How many times places, and then channels, are mixed; default 3. */
  readonly layers: number;
  /** How many sines and cosines of the time: at least one of each. Default 32. */
  readonly timeFeatures: number;
}

/**
 * An MLP-mixer (Tolstikhin et al. 2021) without normalisation: each place is the vector of its class and of where it is;
 * in turn, places are mixed channel by channel, and channels place by place, each time with the time told.
 * `[batch, length]` of classes to the logits `[batch, length, outputs]`; a fresh one gives zeros, its last layer being zero.
 * @throws RangeError if a number is not a whole one from 1 on (`timeFeatures` from 2 on) or a key is unknown.
 */
export function mixer(
  config: Partial<MixerConfig> & Pick<MixerConfig, 'length' | 'states'>,
): Model<MixerConfig> {
  const complete = { outputs: config.states, hidden: 128, layers: 3, timeFeatures: 32, ...config };
  check(complete);
  return model({
    config: complete,
    accepts: {},
    checkShape(shape) {
      if (shape.length === 2 && shape[1] === complete.length) return;
      throw new RangeError(`xt must have shape [batch, ${complete.length}], not [${shape}]`);
    },
    build: (declare) => build(declare, complete),
  });
}

function build(declare: Declare, { length, states, outputs, hidden, ...config }: MixerConfig): Forward {
  const embed = toldEmbedding(declare, {
    size: config.timeFeatures,
    cosineFirst: false,
    shift: 0,
    outputs: hidden,
    classes: null,
  });
  // A row for every class in every place, since what a letter says depends on where it stands.
  const input = embeddingLayer(declare, 'input', { count: length * states, size: hidden });
  const layers = Array.from({ length: config.layers }, (_, i) => ({
    time: linearLayer(declare, `layers.${i}.time`, { inputs: hidden, outputs: hidden }),
    places: linearLayer(declare, `layers.${i}.places`, { inputs: length, outputs: length }),
    widen: linearLayer(declare, `layers.${i}.channels.0`, { inputs: hidden, outputs: 2 * hidden }),
    narrow: linearLayer(declare, `layers.${i}.channels.1`, { inputs: 2 * hidden, outputs: hidden }),
  }));
  const output = linearLayer(declare, 'output', { inputs: hidden, outputs, zeroed: true });

  return (params, xt, told) => {
    const embedding = tf.expandDims(embed(params, told, {}), 1);
    const rows = tf.cast(tf.add(xt, tf.mul(tf.range(0, length), states)), 'int32');
    let h: tf.Tensor = tf.reshape(input(params, tf.reshape(rows, [-1])), [-1, length, hidden]);
    for (const { time, places, widen, narrow } of layers) {
      const seen = silu(tf.add(h, time(params, embedding)));
      h = tf.add(h, tf.transpose(places(params, tf.transpose(seen, [0, 2, 1])), [0, 2, 1]));
      h = tf.add(h, narrow(params, silu(widen(params, h))));
    }
    return output(params, silu(h));
  };
}

function check(config: MixerConfig): void {
  const known = ['length', 'states', 'outputs', 'hidden', 'layers', 'timeFeatures'];
  for (const [key, value] of Object.entries(config)) {
    if (!known.includes(key)) throw new RangeError(`config has the unknown key "${key}"`);
    const least = key === 'timeFeatures' ? 2 : 1;
    if (!Number.isSafeInteger(value) || value < least) {
      throw new RangeError(`${key} must be a whole number from ${least} on, not ${JSON.stringify(value)}`);
    }
  }
}
