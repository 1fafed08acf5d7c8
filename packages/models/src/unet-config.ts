import {
  completed,
  count,
  countOrNull,
  flag,
  isCount,
  type Key,
  type Keys,
  listOf,
  oneOf,
  optionalCount,
  positive,
} from './config-keys.js';

/** Where an encoder stage attends, and where not. */
export type DownBlockType = 'DownBlock2D' | 'AttnDownBlock2D';
/** Where a decoder stage attends, and where not. */
export type UpBlockType = 'UpBlock2D' | 'AttnUpBlock2D';

/** The configuration of diffusers' `UNet2DModel`, key for key, as far as it is supported here. */
export interface UNetConfig {
  /** Pixels of the images it is meant for, one number if they are square; any that divide evenly will do. */
  readonly sample_size: number | readonly [height: number, width: number] | null;
  /** Channels of x_t, and of an image that it is told beside it. */
  readonly in_channels: number;
  /**
   * The last of `in_channels`: those of `condition.image`, if it is told one. No key of diffusers, where whoever calls the
   * network joins the two.
   */
  readonly condition_channels?: number | undefined;
  /** As many as x_t has, twice as many where the variance is learned. */
  readonly out_channels: number;
  /** Takes 2x − 1 for x. */
  readonly center_input_sample: boolean;
  /** Sines and cosines of the time, as in transformers. */
  readonly time_embedding_type: 'positional';
  /** Width of the time embedding; null: four times the first of `block_out_channels`. */
  readonly time_embedding_dim: number | null;
  /** Of the sinusoid: 1 as in DDPM, 0 as in the others. */
  readonly freq_shift: number;
  /** Of the sinusoid: cosines first. */
  readonly flip_sin_to_cos: boolean;
  /** One for each stage of the encoder. */
  readonly down_block_types: readonly DownBlockType[];
  /** The stage between encoder and decoder: two residual blocks, and attention between them. */
  readonly mid_block_type: 'UNetMidBlock2D';
  /** One for each stage of the decoder, the deepest first. */
  readonly up_block_types: readonly UpBlockType[];
  /** Channels of every stage; each after the first has half the pixels of the one before, in both directions. */
  readonly block_out_channels: readonly number[];
  /** Residual blocks of an encoder stage; one of the decoder has one more. */
  readonly layers_per_block: number;
  /** What the sums of the middle blocks are divided by. */
  readonly mid_block_scale_factor: number;
  /** 1: zeros all around; 0: zeros below and to the right, as in DDPM. */
  readonly downsample_padding: 0 | 1;
  /** Images are halved by a convolution of stride 2. */
  readonly downsample_type: 'conv';
  /** Images are doubled by repeating pixels, and a convolution. */
  readonly upsample_type: 'conv';
  /** The chance that a number in a residual block is dropped in training, in [0, 1). */
  readonly dropout: number;
  /** The activation between the layers. */
  readonly act_fn: 'silu';
  /** Channels per head; null: one head. */
  readonly attention_head_dim: number | null;
  /** Groups of every normalisation; it divides the channels of every stage. */
  readonly norm_num_groups: number;
  /** Groups before the middle attention; null: as elsewhere, and none with scale_shift. */
  readonly attn_norm_num_groups: number | null;
  /** What is added to the variance under the root in a normalisation, positive. */
  readonly norm_eps: number;
  /** Whether the time embedding is added, or scales and shifts a normalisation. */
  readonly resnet_time_scale_shift: 'default' | 'scale_shift';
  /** Classes are looked up in a table. */
  readonly class_embed_type: null;
  /** How many labels there are, one for "no label" included if there is such; null: unconditional. */
  readonly num_class_embeds: number | null;
  /** Of no effect here: it belongs to learned time embeddings. */
  readonly num_train_timesteps: number | null;
  /** Whether the middle attends. */
  readonly add_attention: boolean;
}

const blocks = <T extends string>(plain: T, attending: T, fallback: readonly T[]): Key<readonly T[]> =>
  listOf(fallback, `"${plain}" and "${attending}"`, (value) => value === plain || value === attending);

// The defaults are those of diffusers.
export const UNET_KEYS: Keys<UNetConfig> = {
  sample_size: {
    fallback: null,
    allowed: 'a whole number from 1 on, [height, width] or null',
    accepts: (value) =>
      value === null ||
      isCount(value) ||
      (Array.isArray(value) && value.length === 2 && value.every(isCount)),
  },
  in_channels: count(3),
  condition_channels: optionalCount,
  out_channels: count(3),
  center_input_sample: flag(false),
  time_embedding_type: oneOf('positional'),
  time_embedding_dim: countOrNull(null),
  freq_shift: {
    fallback: 0,
    allowed: 'a number',
    accepts: (value) => Number.isFinite(value),
  },
  flip_sin_to_cos: flag(true),
  down_block_types: blocks('DownBlock2D', 'AttnDownBlock2D', [
    'DownBlock2D',
    'AttnDownBlock2D',
    'AttnDownBlock2D',
    'AttnDownBlock2D',
  ]),
  mid_block_type: oneOf('UNetMidBlock2D'),
  up_block_types: blocks('UpBlock2D', 'AttnUpBlock2D', [
    'AttnUpBlock2D',
    'AttnUpBlock2D',
    'AttnUpBlock2D',
    'UpBlock2D',
  ]),
  block_out_channels: listOf([224, 448, 672, 896], 'whole numbers from 1 on', isCount),
  layers_per_block: count(2),
  mid_block_scale_factor: positive(1),
  downsample_padding: oneOf(1, 0),
  downsample_type: oneOf('conv'),
  upsample_type: oneOf('conv'),
  dropout: {
    fallback: 0,
    allowed: 'a number from 0 to less than 1',
    accepts: (value) => Number.isFinite(value) && (value as number) >= 0 && (value as number) < 1,
  },
  act_fn: oneOf('silu'),
  attention_head_dim: countOrNull(8),
  norm_num_groups: count(32),
  attn_norm_num_groups: countOrNull(null),
  norm_eps: positive(1e-5),
  resnet_time_scale_shift: oneOf('default', 'scale_shift'),
  class_embed_type: oneOf(null),
  num_class_embeds: countOrNull(null),
  num_train_timesteps: countOrNull(null),
  add_attention: flag(true),
};

/**
 * The complete configuration that a `config.json` of diffusers, or a part of one, stands for: defaults as diffusers
 * has them, keys that begin with an underscore left out.
 * @throws TypeError if it is no object. RangeError naming the key, its value and what is allowed, if one is unknown, is
 * not supported or does not fit the others.
 */
export function unetConfig(json: unknown): UNetConfig {
  const config = completed(UNET_KEYS, json);
  checkTogether(config);
  return config;
}

function checkTogether(config: UNetConfig): void {
  const { block_out_channels: channels, attention_head_dim: headDim } = config;
  for (const key of ['down_block_types', 'up_block_types'] as const) {
    if (config[key].length !== channels.length) {
      throw new RangeError(
        `${key} must have as many entries as block_out_channels (${channels.length}), not ${config[key].length}`,
      );
    }
  }
  const { in_channels: inputs, condition_channels: told = 0 } = config;
  if (told >= inputs) {
    throw new RangeError(`condition_channels must be less than in_channels (${inputs}), not ${told}`);
  }
  // A single feature would be the zero that fills up an odd number of waves: the network could not tell the time.
  if (channels[0]! < 2) {
    throw new RangeError(
      `block_out_channels must begin with 2 or more, not ${channels[0]}: the time is told by as many waves`,
    );
  }
  const uneven = channels.find((n) => n % config.norm_num_groups !== 0);
  if (uneven !== undefined) {
    throw new RangeError(
      `block_out_channels must be multiples of norm_num_groups (${config.norm_num_groups}), ${uneven} is not`,
    );
  }
  const deepest = channels.at(-1)!;
  if (config.attn_norm_num_groups !== null && deepest % config.attn_norm_num_groups !== 0) {
    throw new RangeError(
      `attn_norm_num_groups must divide the ${deepest} channels of the middle, ${config.attn_norm_num_groups} does not`,
    );
  }
  const attending = channels.filter(
    (_, i) =>
      config.down_block_types[i] === 'AttnDownBlock2D' ||
      config.up_block_types.at(-1 - i) === 'AttnUpBlock2D' ||
      (i === channels.length - 1 && config.add_attention),
  );
  if (headDim !== null && Math.min(...attending) < headDim) {
    throw new RangeError(
      `attention_head_dim must be at most the ${Math.min(...attending)} channels of a stage that attends, not ${headDim}`,
    );
  }
  if (Math.floor(channels[0]! / 2) === config.freq_shift) {
    throw new RangeError(
      `freq_shift must not be half of the first of block_out_channels (${channels[0]}): the sinusoid divides by the difference`,
    );
  }
  if (config.sample_size !== null) {
    const size = config.sample_size;
    const [height, width] = typeof size === 'number' ? [size, size] : size;
    checkSize('sample_size', height, width, channels.length);
  }
}

/**
 * Every stage but the first halves the image, and the decoder doubles it again.
 * @throws RangeError naming the nearest sizes that work, if this one does not.
 */
export function checkSize(name: string, height: number, width: number, stages: number): void {
  const factor = 2 ** (stages - 1);
  if (height % factor === 0 && width % factor === 0) return;
  const below = (size: number): number => Math.max(factor, Math.floor(size / factor) * factor);
  const above = (size: number): number => Math.ceil(size / factor) * factor;
  const smaller = `${below(height)} × ${below(width)}`;
  const larger = `${above(height)} × ${above(width)}`;
  throw new RangeError(
    `${name} must have sides that are multiples of ${factor}, such as ${smaller}${smaller === larger ? '' : ` or ${larger}`}, not ${height} × ${width}`,
  );
}
