import type { Condition, Params, Rng } from '@diffusion-ts/tensor';
import type * as tf from '@tensorflow/tfjs-core';
import { attentionBlock } from './attention-block.js';
import { convolutionLayer } from './layers.js';
import type { Declare } from './model.js';
import { resnetBlock } from './resnet-block.js';
import { toldEmbedding } from './told-embedding.js';
import type { UNetConfig } from './unet-config.js';
import { encoderStage, middle, type Parts } from './unet-stages.js';

/** What goes down a U-Net. */
export interface UNetEncoder {
  /** What the other stages are made of. */
  readonly parts: Parts;
  /** All that the network is told, as one vector for each example. */
  embed(params: Params, told: tf.Tensor1D, condition: Condition): tf.Tensor2D;
  /** Images to what came out of every layer, for the decoder; the last is the smallest and the deepest. */
  encode(params: Params, images: tf.Tensor4D, embedding: tf.Tensor2D, rng?: Rng): tf.Tensor4D[];
}

/** A first convolution, what the network is told, and the stages of the encoder, in the order of the state dict. */
export function unetEncoder(declare: Declare, config: UNetConfig): UNetEncoder {
  const channels = config.block_out_channels;
  const first = channels[0]!;
  const timeSize = config.time_embedding_dim ?? 4 * first;
  const parts = partsOf(declare, config, timeSize);
  const convIn = convolutionLayer(declare, 'conv_in', {
    inputs: config.in_channels,
    outputs: first,
    size: 3,
    padding: 1,
  });
  const embed = toldEmbedding(declare, {
    size: first,
    cosineFirst: config.flip_sin_to_cos,
    shift: config.freq_shift,
    outputs: timeSize,
    classes: config.num_class_embeds,
  });
  const stages = channels.map((outputs, i) =>
    encoderStage(parts, `down_blocks.${i}`, {
      inputs: channels[Math.max(0, i - 1)]!,
      outputs,
      layers: config.layers_per_block,
      attends: config.down_block_types[i] === 'AttnDownBlock2D',
      resamples: i < channels.length - 1,
    }),
  );
  return {
    parts,
    embed,
    encode(params, images, embedding, rng) {
      const results = [convIn(params, images)];
      for (const stage of stages) results.push(...stage(params, results.at(-1)!, embedding, rng));
      return results;
    },
  };
}

/** The stage between encoder and decoder. */
export function unetMiddle(parts: Parts, config: UNetConfig): ReturnType<typeof middle> {
  return middle(parts, 'mid_block', {
    channels: config.block_out_channels.at(-1)!,
    attends: config.add_attention,
    groups:
      config.attn_norm_num_groups ??
      (config.resnet_time_scale_shift === 'default' ? config.norm_num_groups : null),
    outputScale: config.mid_block_scale_factor,
  });
}

/** The blocks that the stages are made of, with all that is the same in every stage filled in. */
function partsOf(declare: Declare, config: UNetConfig, timeSize: number): Parts {
  const { norm_num_groups: groups, norm_eps: epsilon, attention_head_dim: headDim } = config;
  // Without padding diffusers adds a row below and a column to the right.
  const downsamplePadding = config.downsample_padding || { top: 0, left: 0, bottom: 1, right: 1 };
  return {
    resnet: (name, { inputs, outputs, outputScale = 1 }) =>
      resnetBlock(declare, name, {
        inputs,
        outputs,
        timeSize,
        groups,
        epsilon,
        timeScaleShift: config.resnet_time_scale_shift,
        dropout: config.dropout,
        outputScale,
      }),
    attention: (name, { channels, ...middle }) =>
      attentionBlock(declare, name, {
        channels,
        headDim: headDim ?? channels,
        groups,
        epsilon,
        outputScale: 1,
        ...middle,
      }),
    downsample: (name, channels) =>
      convolutionLayer(declare, name, {
        inputs: channels,
        outputs: channels,
        size: 3,
        stride: 2,
        padding: downsamplePadding,
      }),
    upsample: (name, channels) =>
      convolutionLayer(declare, name, { inputs: channels, outputs: channels, size: 3, padding: 1 }),
  };
}
