import * as tf from '@tensorflow/tfjs-core';
import { convolutionLayer, groupNormLayer } from './layers.js';
import { type Declare, type Forward, type Model, model } from './model.js';
import { acceptsClasses } from './told-embedding.js';
import { checkSize, type UNetConfig, unetConfig } from './unet-config.js';
import { unetEncoder, unetMiddle } from './unet-encoder.js';
import { decoderStage } from './unet-stages.js';

/**
 * The U-Net of DDPM (Ho et al. 2020) and ADM (Dhariwal and Nichol 2021) as diffusers' `UNet2DModel` builds it: the same
 * configuration, the same parameter names. Takes images `[batch, height, width, in_channels]` to
 * `[batch, height, width, out_channels]`; a fresh one gives zeros, its last convolution being zero.
 *
 * With `condition_channels` it is told an image too, of the same pixels, as more channels of x_t (Saharia et al. 2021, SR3):
 * x_t has the others of `in_channels`.
 * @throws RangeError if the configuration has an unknown key or an unsupported value (see `unetConfig`).
 * @example
 * const model = unet({
 *   in_channels: 1,
 *   out_channels: 1,
 *   block_out_channels: [16, 32],
 *   down_block_types: ['DownBlock2D', 'AttnDownBlock2D'],
 *   up_block_types: ['AttnUpBlock2D', 'UpBlock2D'],
 *   norm_num_groups: 8,
 * });
 * const params = model.init(rng(0));
 * const epsilon = model.apply(params, xt, t); // xt [2, 8, 8, 1], t [2]
 */
export function unet(config: Partial<UNetConfig>): Model<UNetConfig> {
  const complete = unetConfig(config);
  return model({
    config: complete,
    accepts: { ...acceptsClasses(complete.num_class_embeds), ...acceptsImage(complete.condition_channels) },
    checkShape: (shape) => checkImages(shape, complete),
    build: (declare) => build(declare, complete),
  });
}

function build(declare: Declare, config: UNetConfig): Forward {
  const channels = config.block_out_channels;
  const first = channels[0]!;
  const last = channels.length - 1;

  // The order is that of the state dict: the middle comes after the decoder.
  const { parts, embed, encode } = unetEncoder(declare, config);
  const decoder = channels.toReversed().map((outputs, i, deepestFirst) =>
    decoderStage(parts, `up_blocks.${i}`, {
      inputs: deepestFirst[Math.max(0, i - 1)]!,
      skips: deepestFirst[Math.min(last, i + 1)]!,
      outputs,
      layers: config.layers_per_block + 1,
      attends: config.up_block_types[i] === 'AttnUpBlock2D',
      resamples: i < last,
    }),
  );
  const mid = unetMiddle(parts, config);
  const normOut = groupNormLayer(declare, 'conv_norm_out', {
    channels: first,
    groups: config.norm_num_groups,
    epsilon: config.norm_eps,
  });
  const convOut = convolutionLayer(declare, 'conv_out', {
    inputs: first,
    outputs: config.out_channels,
    size: 3,
    padding: 1,
    zeroed: true,
  });

  return (params, xt, told, condition, rng) => {
    const embedding = embed(params, told, condition);
    const seen = config.condition_channels === undefined ? xt : withImage(xt, condition.image!);
    const images = (config.center_input_sample ? tf.sub(tf.mul(seen, 2), 1) : seen) as tf.Tensor4D;

    const skips = encode(params, images, embedding, rng);
    let x = mid(params, skips.at(-1)!, embedding, rng);
    for (const stage of decoder) x = stage(params, x, skips, embedding, rng);
    return convOut(params, normOut(params, x, { activation: 'silu' }));
  };
}

function acceptsImage(channels: number | undefined): Model<unknown>['accepts'] {
  return channels === undefined ? {} : { image: { shape: [null, null, channels], dtype: 'float32' } };
}

/** x_t and the image that is told, channel after channel. */
function withImage(xt: tf.Tensor, image: tf.Tensor): tf.Tensor {
  const [, height, width] = xt.shape;
  if (image.shape[1] === height && image.shape[2] === width) return tf.concat([xt, image], 3);
  throw new RangeError(
    `condition.image must have the ${height} × ${width} pixels of xt, not ${image.shape[1]} × ${image.shape[2]}`,
  );
}

function checkImages(shape: readonly number[], config: UNetConfig): void {
  const [, height, width, channels] = shape;
  const own = config.in_channels - (config.condition_channels ?? 0);
  if (shape.length !== 4 || channels !== own) {
    throw new RangeError(`xt must have shape [batch, height, width, ${own}], not [${shape}]`);
  }
  checkSize('xt', height!, width!, config.block_out_channels.length);
}
