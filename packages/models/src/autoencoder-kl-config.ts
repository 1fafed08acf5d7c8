import { completed, count, flag, isCount, type Keys, listOf, oneOf, positive } from './config-keys.js';
import { checkSize } from './unet-config.js';

/** The configuration of diffusers' `AutoencoderKL`, key for key, as far as it is supported here. */
export interface AutoencoderKlConfig {
  /** Channels of the images. */
  readonly in_channels: number;
  /** Twice `in_channels` where the decoder says a variance of every pixel too. */
  readonly out_channels: number;
  /** One for each stage of the encoder. */
  readonly down_block_types: readonly 'DownEncoderBlock2D'[];
  /** One for each stage of the decoder, from the latents to the image. */
  readonly up_block_types: readonly 'UpDecoderBlock2D'[];
  /** Channels of every stage; each after the first has half the pixels of the one before, in both directions. */
  readonly block_out_channels: readonly number[];
  /** Residual blocks of an encoder stage; one of the decoder has one more. */
  readonly layers_per_block: number;
  /** The activation between the layers. */
  readonly act_fn: 'silu';
  /** Channels of the latents. */
  readonly latent_channels: number;
  /** Groups of every normalisation; it divides the channels of every stage. */
  readonly norm_num_groups: number;
  /** Pixels of the square images it is meant for; any that divide evenly will do. */
  readonly sample_size: number;
  /** What latents are multiplied by before a diffusion model sees them: 1 / their standard deviation. */
  readonly scaling_factor: number;
  /** Whether the middles of encoder and decoder attend. */
  readonly mid_block_add_attention: boolean;
  /** Whether a 1×1 convolution follows the encoder. */
  readonly use_quant_conv: boolean;
  /** Whether a 1×1 convolution precedes the decoder. */
  readonly use_post_quant_conv: boolean;
}

// The defaults are those of diffusers.
const KEYS: Keys<AutoencoderKlConfig> = {
  in_channels: count(3),
  out_channels: count(3),
  down_block_types: listOf(['DownEncoderBlock2D'], '"DownEncoderBlock2D"', (x) => x === 'DownEncoderBlock2D'),
  up_block_types: listOf(['UpDecoderBlock2D'], '"UpDecoderBlock2D"', (x) => x === 'UpDecoderBlock2D'),
  block_out_channels: listOf([64], 'whole numbers from 1 on', isCount),
  layers_per_block: count(1),
  act_fn: oneOf('silu'),
  latent_channels: count(4),
  norm_num_groups: count(32),
  sample_size: count(32),
  scaling_factor: positive(0.18215),
  mid_block_add_attention: flag(true),
  use_quant_conv: flag(true),
  use_post_quant_conv: flag(true),
};

/**
 * The complete configuration that a `config.json` of diffusers, or a part of one, stands for: defaults as diffusers has
 * them, keys that begin with an underscore left out.
 * @throws TypeError if it is no object. RangeError naming the key, its value and what is allowed, if one is unknown, is
 * not supported or does not fit the others.
 */
export function autoencoderKlConfig(json: unknown): AutoencoderKlConfig {
  const config = completed(KEYS, json);
  const { block_out_channels: channels, norm_num_groups: groups } = config;
  for (const key of ['down_block_types', 'up_block_types'] as const) {
    if (config[key].length !== channels.length) {
      throw new RangeError(
        `${key} must have as many entries as block_out_channels (${channels.length}), not ${config[key].length}`,
      );
    }
  }
  const uneven = channels.find((n) => n % groups !== 0);
  if (uneven !== undefined) {
    throw new RangeError(
      `block_out_channels must be multiples of norm_num_groups (${groups}), ${uneven} is not`,
    );
  }
  checkSize('sample_size', config.sample_size, config.sample_size, channels.length);
  return config;
}
