import { paramsFromSafetensors, readSafetensors } from '@diffusion-ts/checkpoints';
import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { type Model, type UNetConfig, unet } from '@diffusion-ts/models';
import { type ReverseProcess, reverseProcess } from '@diffusion-ts/reverse-process';
import { guided } from '@diffusion-ts/samplers';
import { disposeParams, type Params } from '@diffusion-ts/tensor';
import type * as tf from '@tensorflow/tfjs-core';
import { type ImageRun, readRunConfig } from '../model/run-config.js';
import { checkWeights } from './check-weights.js';

/** Numbers of an image: 256 × 256 pixels in colour, and a few more. */
const MAX_NUMBERS = 2 ** 18;

/** A network of images with its weights, and the process that it was trained for. */
export interface ImageModel {
  readonly run: ImageRun;
  readonly network: Model<UNetConfig>;
  readonly params: Params;
  /** Height, width and channels. */
  readonly shape: readonly [number, number, number];
  /** How many classes one can ask for; 0 where it knows none. */
  readonly classes: number;
  /** The label that means "no class". */
  readonly nullLabel: number | undefined;
}

/** The model of a config with weights that are already there, which it takes over. */
export function imageModel(config: unknown, params: Params): ImageModel {
  const run = readRunConfig(config);
  checkBlocks(run.model, params);
  const network = unet(run.model as Partial<UNetConfig>);
  checkWeights(network.shapes, params);
  const { sample_size: size, in_channels: channels, num_class_embeds: labels } = network.config;
  if (size === null)
    throw new RangeError('model.sample_size is missing: the size of the images is not known');
  const [height, width] = typeof size === 'number' ? [size, size] : size;
  if (height * width * channels > MAX_NUMBERS) {
    throw new RangeError(
      `The images have ${height}×${width}×${channels} numbers, too many for a browser tab.`,
    );
  }
  const hides = labels !== null && run.hidesLabels;
  return {
    run,
    network,
    params,
    shape: [height, width, channels],
    classes: labels === null ? 0 : labels - (hides ? 1 : 0),
    nullLabel: hides ? labels - 1 : undefined,
  };
}

/**
 * The model in a file of weights. Its config comes along, or lies in the file's metadata, where the lab puts it.
 * @throws CheckpointError or RangeError with one sentence, if the file or the config is not what it should be.
 */
export function readImageModel(bytes: Uint8Array, config: unknown): ImageModel {
  const described = config ?? configIn(readSafetensors(bytes).metadata);
  const params = paramsFromSafetensors(bytes);
  try {
    return imageModel(described, params);
  } catch (error) {
    disposeParams(params);
    throw error;
  }
}

/** Every block has weights, so a config of more blocks than there are weights is refused before it is built. */
function checkBlocks({ layers_per_block, down_block_types }: ImageRun['model'], params: Params): void {
  const stages = Array.isArray(down_block_types) ? down_block_types.length : 1;
  if (stages * Number(layers_per_block ?? 1) > Object.keys(params).length) {
    throw new RangeError('config.json describes more layers than the file has weights for.');
  }
}

function configIn(metadata: Readonly<Record<string, string>>): unknown {
  if (metadata.config === undefined) {
    throw new RangeError(
      'The file does not say which network it is for: choose its config.json along with it.',
    );
  }
  return JSON.parse(metadata.config);
}

/** The reverse process to sample from; `onEvaluation` is told of every evaluation of the network. */
export function samplingProcess(
  { run, network, params, nullLabel }: ImageModel,
  guidance: number,
  onEvaluation?: () => void,
): ReverseProcess {
  const denoiser = (...[xt, t, condition]: Parameters<ReverseProcess['denoiser']>): tf.Tensor => {
    onEvaluation?.();
    return network.apply(params, xt, t, condition);
  };
  return reverseProcess({
    forward: gaussianDiffusion(run.schedule),
    denoiser:
      nullLabel === undefined ? denoiser : guided(denoiser, { scale: guidance, unconditional: nullLabel }),
    predicts: run.predicts,
    variance: run.variance,
    clip: true,
  });
}
