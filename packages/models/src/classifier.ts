import * as tf from '@tensorflow/tfjs-core';
import { completed, count, type Keys } from './config-keys.js';
import { groupNormLayer, linearLayer } from './layers.js';
import { type Declare, type Forward, type Model, model } from './model.js';
import { UNET_KEYS, type UNetConfig, unetConfig } from './unet-config.js';
import { unetEncoder, unetMiddle } from './unet-encoder.js';

/** A network that tells the classes of images: keys of `UNetConfig`, those of its encoder, and how many classes there are. */
export interface ClassifierConfig
  extends Pick<
    UNetConfig,
    | 'in_channels'
    | 'down_block_types'
    | 'block_out_channels'
    | 'layers_per_block'
    | 'dropout'
    | 'attention_head_dim'
    | 'norm_num_groups'
    | 'norm_eps'
    | 'add_attention'
  > {
  /** Pixels of the images, one number if they are square: the last layer has a weight for every one of the smallest. */
  readonly sample_size: number | readonly [height: number, width: number];
  /** How many logits come out. */
  readonly classes: number;
}

const {
  in_channels,
  down_block_types,
  block_out_channels,
  layers_per_block,
  dropout,
  attention_head_dim,
  norm_num_groups,
  norm_eps,
  add_attention,
} = UNET_KEYS;
const KEYS: Keys<ClassifierConfig> = {
  sample_size: {
    fallback: 32,
    allowed: 'a whole number from 1 on, or [height, width]',
    accepts: (value) => value !== null && UNET_KEYS.sample_size.accepts(value),
  },
  in_channels,
  down_block_types,
  block_out_channels,
  layers_per_block,
  dropout,
  attention_head_dim,
  norm_num_groups,
  norm_eps,
  add_attention,
  classes: count(10),
};

/**
 * The classifier of noisy images of Dhariwal and Nichol 2021 (section 4): the way down of a U-Net, its middle, and a linear map
 * of all that is left (theirs attends to it) to the logits `[batch, classes]`. Takes images
 * `[batch, height, width, in_channels]` and is told, as a U-Net is, how noisy they are; a fresh one gives zeros.
 * @throws RangeError if the configuration has an unknown key or an unsupported value.
 * @example
 * const model = classifier({
 *   sample_size: 8,
 *   in_channels: 1,
 *   block_out_channels: [16, 32],
 *   down_block_types: ['DownBlock2D', 'AttnDownBlock2D'],
 *   norm_num_groups: 8,
 *   classes: 10,
 * });
 * const logits = model.apply(model.init(rng(0)), xt, t); // xt [2, 8, 8, 1], t [2], logits [2, 10]
 */
export function classifier(config: Partial<ClassifierConfig>): Model<ClassifierConfig> {
  const complete = completed(KEYS, config);
  const { classes, ...encoder } = complete;
  // A U-Net whose way up is not built.
  const whole = unetConfig({
    ...encoder,
    up_block_types: complete.down_block_types
      .toReversed()
      .map((type) => (type === 'DownBlock2D' ? 'UpBlock2D' : 'AttnUpBlock2D')),
  });
  const size = complete.sample_size;
  const [height, width] = typeof size === 'number' ? [size, size] : size;
  const pixels = [height, width, complete.in_channels];
  return model({
    config: complete,
    accepts: {},
    checkShape(shape) {
      if (shape.length === 4 && shape.slice(1).join() === pixels.join()) return;
      throw new RangeError(`xt must have shape [batch, ${pixels.join(', ')}], not [${shape}]`);
    },
    build: (declare) => build(declare, whole, { height, width, classes }),
  });
}

function build(
  declare: Declare,
  config: UNetConfig,
  { height, width, classes }: { height: number; width: number; classes: number },
): Forward {
  const deepest = config.block_out_channels.at(-1)!;
  // Every stage but the first halves the image.
  const left = (height * width) / 4 ** (config.block_out_channels.length - 1);
  const { parts, embed, encode } = unetEncoder(declare, config);
  const mid = unetMiddle(parts, config);
  const norm = groupNormLayer(declare, 'norm_out', {
    channels: deepest,
    groups: config.norm_num_groups,
    epsilon: config.norm_eps,
  });
  const inputs = left * deepest;
  const output = linearLayer(declare, 'output', { inputs, outputs: classes, zeroed: true });

  return (params, xt, told, condition, rng) => {
    const embedding = embed(params, told, condition);
    const x = mid(params, encode(params, xt as tf.Tensor4D, embedding, rng).at(-1)!, embedding, rng);
    // A mean over pixels learns ten times as slowly: the normalisation leaves hardly anything of it.
    return output(params, tf.reshape(norm(params, x, { activation: 'silu' }), [-1, inputs]));
  };
}
