import { upsampleNearest } from '@diffusion-ts/ops';
import { checkParams, type Layouts, type Params, type Rng, type Shapes } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { attentionBlock } from './attention-block.js';
import { type AutoencoderKlConfig, autoencoderKlConfig } from './autoencoder-kl-config.js';
import { convolutionLayer, groupNormLayer } from './layers.js';
import { type Declare, declared } from './model.js';
import { resnetBlock } from './resnet-block.js';
import { checkSize } from './unet-config.js';
import { encoderStage, middle, type Parts } from './unet-stages.js';

/** A pair of networks with one set of parameters: images to what is said of their latents, and latents to what is said of images. */
export interface Autoencoder<C> {
  /** Every choice that it was built from, defaults included: plain JSON. */
  readonly config: C;
  /** The shape of every parameter in our layout, by its name in the PyTorch state dict and in that order. */
  readonly shapes: Shapes;
  /** The layout of every parameter that PyTorch lays out otherwise: what reading and writing its weights asks for. */
  readonly layouts: Layouts;
  /** Fresh parameters; each is drawn from `rng.fork(name)`. The caller disposes them. */
  init(rng: Rng): Params;
  /**
   * x `[batch, height, width, in_channels]` to mean and ln σ² of q(z | x), side by side in the last axis:
   * `[batch, height / f, width / f, 2 · latent_channels]`.
   */
  encode(params: Params, x: tf.Tensor): tf.Tensor;
  /** z `[batch, height / f, width / f, latent_channels]` to `[batch, height, width, out_channels]`. */
  decode(params: Params, z: tf.Tensor): tf.Tensor;
}

/**
 * The variational autoencoder of latent diffusion (Rombach et al. 2022) as diffusers' `AutoencoderKL` builds it: the same
 * configuration, the same parameter names. Each of the `block_out_channels` but the last halves the image, so that the
 * latents are smaller by f = 2^(stages − 1).
 * @throws RangeError if the configuration has an unknown key or an unsupported value. Its methods throw RangeError if
 * parameters or shapes do not fit.
 * @example
 * const model = autoencoderKl({
 *   block_out_channels: [16, 32],
 *   norm_num_groups: 8,
 *   down_block_types: ['DownEncoderBlock2D', 'DownEncoderBlock2D'],
 *   up_block_types: ['UpDecoderBlock2D', 'UpDecoderBlock2D'],
 * });
 * const params = model.init(rng(0));
 * const q = gaussianOfMoments(model.encode(params, x)); // x [batch, 32, 32, 3] to latents [batch, 16, 16, 4]
 */
export function autoencoderKl(config: Partial<AutoencoderKlConfig>): Autoencoder<AutoencoderKlConfig> {
  const complete = autoencoderKlConfig(config);
  const stages = complete.block_out_channels.length;
  const { forward, ...parameters } = declared((declare) => build(declare, complete));
  return {
    config: complete,
    ...parameters,
    encode(params, x) {
      checkParams('params', params, parameters.shapes);
      checkImages('x', x, complete.in_channels);
      checkSize('x', x.shape[1]!, x.shape[2]!, stages);
      return tf.tidy(() => forward.encode(params, x as tf.Tensor4D));
    },
    decode(params, z) {
      checkParams('params', params, parameters.shapes);
      checkImages('z', z, complete.latent_channels);
      return tf.tidy(() => forward.decode(params, z as tf.Tensor4D));
    },
  };
}

type Map = (params: Params, x: tf.Tensor4D) => tf.Tensor4D;

function build(declare: Declare, config: AutoencoderKlConfig): { encode: Map; decode: Map } {
  const { latent_channels: latents } = config;
  // The order is that of the state dict.
  const encoder = buildEncoder(declare, config);
  const decoder = buildDecoder(declare, config);
  const pointwise = (name: string, channels: number): Map =>
    convolutionLayer(declare, name, { inputs: channels, outputs: channels, size: 1 });
  const toMoments = config.use_quant_conv ? pointwise('quant_conv', 2 * latents) : undefined;
  const fromLatents = config.use_post_quant_conv ? pointwise('post_quant_conv', latents) : undefined;
  return {
    encode: (params, x) => {
      const moments = encoder(params, x);
      return toMoments ? toMoments(params, moments) : moments;
    },
    decode: (params, z) => decoder(params, fromLatents ? fromLatents(params, z) : z),
  };
}

function buildEncoder(declare: Declare, config: AutoencoderKlConfig): Map {
  const { block_out_channels: channels, layers_per_block: layers } = config;
  const last = channels.length - 1;
  const parts = partsOf(declare, config);
  const convIn = convolution(declare, 'encoder.conv_in', config.in_channels, channels[0]!);
  const stages = channels.map((outputs, i) =>
    encoderStage(parts, `encoder.down_blocks.${i}`, {
      inputs: channels[Math.max(0, i - 1)]!,
      outputs,
      layers,
      attends: false,
      resamples: i < last,
    }),
  );
  const mid = middleOf(parts, 'encoder.mid_block', config);
  const end = outputOf(declare, 'encoder', config, channels[last]!, 2 * config.latent_channels);
  return (params, x) => {
    const deepest = stages.reduce((h, stage) => stage(params, h, undefined).at(-1)!, convIn(params, x));
    return end(params, mid(params, deepest, undefined));
  };
}

function buildDecoder(declare: Declare, config: AutoencoderKlConfig): Map {
  const channels = config.block_out_channels.toReversed();
  const last = channels.length - 1;
  const parts = partsOf(declare, config);
  const convIn = convolution(declare, 'decoder.conv_in', config.latent_channels, channels[0]!);
  const stages = channels.map((outputs, i): Map => {
    const name = `decoder.up_blocks.${i}`;
    const resnets = Array.from({ length: config.layers_per_block + 1 }, (_, k) =>
      parts.resnet(`${name}.resnets.${k}`, {
        inputs: k === 0 ? channels[Math.max(0, i - 1)]! : outputs,
        outputs,
      }),
    );
    const upsample = i < last ? parts.upsample(`${name}.upsamplers.0.conv`, outputs) : undefined;
    return (params, x) => {
      const h = resnets.reduce((h, resnet) => resnet(params, h, undefined), x);
      return upsample ? upsample(params, upsampleNearest(h)) : h;
    };
  });
  const mid = middleOf(parts, 'decoder.mid_block', config);
  const end = outputOf(declare, 'decoder', config, channels[last]!, config.out_channels);
  return (params, z) => {
    const deepest = mid(params, convIn(params, z), undefined);
    return end(
      params,
      stages.reduce((h, stage) => stage(params, h), deepest),
    );
  };
}

// What diffusers does not let the configuration say.
const EPSILON = 1e-6;

function partsOf(declare: Declare, { norm_num_groups: groups }: AutoencoderKlConfig): Parts {
  return {
    resnet: (name, { inputs, outputs, outputScale = 1 }) =>
      resnetBlock(declare, name, {
        inputs,
        outputs,
        timeSize: null,
        groups,
        epsilon: EPSILON,
        timeScaleShift: 'default',
        dropout: 0,
        outputScale,
      }),
    attention: (name, { channels }) =>
      attentionBlock(declare, name, {
        channels,
        headDim: channels,
        groups,
        epsilon: EPSILON,
        outputScale: 1,
      }),
    downsample: (name, channels) =>
      convolutionLayer(declare, name, {
        inputs: channels,
        outputs: channels,
        size: 3,
        stride: 2,
        padding: { top: 0, left: 0, bottom: 1, right: 1 },
      }),
    upsample: (name, channels) => convolution(declare, name, channels, channels),
  };
}

function middleOf(parts: Parts, name: string, config: AutoencoderKlConfig): ReturnType<typeof middle> {
  return middle(parts, name, {
    channels: config.block_out_channels.at(-1)!,
    attends: config.mid_block_add_attention,
    groups: config.norm_num_groups,
    outputScale: 1,
  });
}

function outputOf(
  declare: Declare,
  name: string,
  { norm_num_groups: groups }: AutoencoderKlConfig,
  channels: number,
  outputs: number,
): Map {
  const norm = groupNormLayer(declare, `${name}.conv_norm_out`, { channels, groups, epsilon: EPSILON });
  const conv = convolution(declare, `${name}.conv_out`, channels, outputs);
  return (params, x) => conv(params, norm(params, x, { activation: 'silu' }));
}

function convolution(declare: Declare, name: string, inputs: number, outputs: number): Map {
  return convolutionLayer(declare, name, { inputs, outputs, size: 3, padding: 1 });
}

function checkImages(name: string, { shape }: tf.Tensor, channels: number): void {
  if (shape.length === 4 && shape[3] === channels) return;
  throw new RangeError(`${name} must have shape [batch, height, width, ${channels}], not [${shape}]`);
}
