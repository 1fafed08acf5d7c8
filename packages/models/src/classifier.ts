import * as tf from '@tensorflow/tfjs-core';
import { completed, count, type Keys } from './config-keys.js';
import { groupNormLayer, linearLayer } from './layers.js';
import { type Declare, type Forward, type Model, model } from './model.js';
import { checkImageShape, UNET_KEYS, type UNetConfig, unetConfig } from './unet-config.js';
import { unetEncoder, unetMiddle } from './unet-encoder.js';

/** A network that tells the classes of images: keys of `UNetConfig`, those of its encoder, and how many classes there are. */
export interface ClassifierConfig
  extends Pick<
    UNetConfig,
    | 'sample_size'
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
  /** How many logits come out. */
  readonly classes: number;
}

const {
  sample_size,
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
  sample_size,
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
 * of the mean over all pixels (theirs attends to them) to the logits `[batch, classes]`. Takes images
 * `[batch, height, width, in_channels]` and is told, as a U-Net is, how noisy they are; a fresh one gives zeros.
 * @throws RangeError if the configuration has an unknown key or an unsupported value.
 * @example
 * const model = classifier({
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
  return model({
    config: complete,
    accepts: {},
    checkShape: (shape) => checkImageShape(shape, complete.in_channels, complete.block_out_channels.length),
    build: (declare) => build(declare, whole, classes),
  });
}

function build(declare: Declare, config: UNetConfig, classes: number): Forward {
  const deepest = config.block_out_channels.at(-1)!;
  const { parts, embed, encode } = unetEncoder(declare, config);
  const mid = unetMiddle(parts, config);
  const norm = groupNormLayer(declare, 'norm_out', {
    channels: deepest,
    groups: config.norm_num_groups,
    epsilon: config.norm_eps,
  });
  const output = linearLayer(declare, 'output', { inputs: deepest, outputs: classes, zeroed: true });

  return (params, xt, told, condition, rng) => {
    const embedding = embed(params, told, condition);
    const x = mid(params, encode(params, xt as tf.Tensor4D, embedding, rng).at(-1)!, embedding, rng);
    return output(params, tf.mean(norm(params, x, { activation: 'silu' }), [1, 2]));
  };
}
