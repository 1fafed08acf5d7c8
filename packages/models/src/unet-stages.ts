import { upsampleNearest } from '@diffusion-ts/ops';
import type { Params, Rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { AttentionBlock } from './attention-block.js';
import type { ResnetBlock } from './resnet-block.js';

/** What a stage is made of; each declares its parameters when it is called. */
export interface Parts {
  resnet(name: string, options: { inputs: number; outputs: number; outputScale?: number }): ResnetBlock;
  attention(
    name: string,
    options: { channels: number; groups?: number | null; outputScale?: number },
  ): AttentionBlock;
  downsample(name: string, channels: number): Resample;
  upsample(name: string, channels: number): Resample;
}

type Resample = (params: Params, x: tf.Tensor4D) => tf.Tensor4D;

interface Stage {
  inputs: number;
  outputs: number;
  /** How many residual blocks. */
  layers: number;
  /** Whether attention follows each of them. */
  attends: boolean;
  /** Whether the image is halved or doubled at the end. */
  resamples: boolean;
}

/** Residual blocks, then half the size; returns what came out of every layer, for the decoder. */
export function encoderStage(
  parts: Parts,
  name: string,
  { inputs, outputs, layers, attends, resamples }: Stage,
): (params: Params, x: tf.Tensor4D, embedding: tf.Tensor2D | undefined, rng?: Rng) => tf.Tensor4D[] {
  const attentions = repeat(attends ? layers : 0, (i) =>
    parts.attention(`${name}.attentions.${i}`, { channels: outputs }),
  );
  const resnets = repeat(layers, (i) =>
    parts.resnet(`${name}.resnets.${i}`, { inputs: i === 0 ? inputs : outputs, outputs }),
  );
  const downsample = resamples ? parts.downsample(`${name}.downsamplers.0.conv`, outputs) : undefined;
  return (params, x, embedding, rng) => {
    const results: tf.Tensor4D[] = [];
    resnets.forEach((resnet, i) => {
      x = resnet(params, x, embedding, rng);
      x = attentions[i]?.(params, x) ?? x;
      results.push(x);
    });
    if (downsample) results.push(downsample(params, x));
    return results;
  };
}

/** Residual blocks, each given the latest of the encoder's results that is left, then twice the size. */
export function decoderStage(
  parts: Parts,
  name: string,
  { inputs, skips, outputs, layers, attends, resamples }: Stage & { skips: number },
): (
  params: Params,
  x: tf.Tensor4D,
  encoded: tf.Tensor4D[],
  embedding: tf.Tensor2D | undefined,
  rng?: Rng,
) => tf.Tensor4D {
  const attentions = repeat(attends ? layers : 0, (i) =>
    parts.attention(`${name}.attentions.${i}`, { channels: outputs }),
  );
  const resnets = repeat(layers, (i) => {
    const own = i === 0 ? inputs : outputs;
    const skipped = i === layers - 1 ? skips : outputs;
    return parts.resnet(`${name}.resnets.${i}`, { inputs: own + skipped, outputs });
  });
  const upsample = resamples ? parts.upsample(`${name}.upsamplers.0.conv`, outputs) : undefined;
  return (params, x, encoded, embedding, rng) => {
    resnets.forEach((resnet, i) => {
      x = resnet(params, tf.concat4d([x, encoded.pop()!], 3), embedding, rng);
      x = attentions[i]?.(params, x) ?? x;
    });
    return upsample ? upsample(params, upsampleNearest(x)) : x;
  };
}

/** Two residual blocks with attention in between, where the image is smallest. */
export function middle(
  parts: Parts,
  name: string,
  options: { channels: number; attends: boolean; groups: number | null; outputScale: number },
): (params: Params, x: tf.Tensor4D, embedding: tf.Tensor2D | undefined, rng?: Rng) => tf.Tensor4D {
  const { channels, attends, groups, outputScale } = options;
  const attention = attends
    ? parts.attention(`${name}.attentions.0`, { channels, groups, outputScale })
    : undefined;
  const [before, after] = repeat(2, (i) =>
    parts.resnet(`${name}.resnets.${i}`, { inputs: channels, outputs: channels, outputScale }),
  ) as [ResnetBlock, ResnetBlock];
  return (params, x, embedding, rng) => {
    const h = before(params, x, embedding, rng);
    return after(params, attention ? attention(params, h) : h, embedding, rng);
  };
}

function repeat<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}
