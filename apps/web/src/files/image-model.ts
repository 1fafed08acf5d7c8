import { paramsFromSafetensors, readSafetensors } from '@diffusion-ts/checkpoints';
import { checkAlphaBars, type Diffusion, diffusionOf, type RunConfig } from '@diffusion-ts/recipes';
import { checkParams, disposeParams, type Params } from '@diffusion-ts/tensor';
import { util } from '@tensorflow/tfjs-core';

/** Numbers of an image: 256 × 256 pixels in colour, and a few more. */
const MAX_NUMBERS = 2 ** 18;

/** A network of images with its weights, and the run that it comes from. */
export interface ImageModel extends Diffusion {
  readonly config: RunConfig;
  readonly params: Params;
}

/**
 * The model in a file of weights. Its config comes along, or lies in the file's metadata, where the lab puts it.
 * @throws CheckpointError or RangeError with one sentence, if the file or the config is not what it should be.
 */
export async function readImageModel(bytes: Uint8Array, described?: unknown): Promise<ImageModel> {
  const { tensors, metadata } = readSafetensors(bytes);
  const { parseConfig } = await import('@diffusion-ts/recipes/config');
  const json = described ?? configIn(metadata);
  const config = parseConfig(json, 'config.json');
  checkAlphaBars(json, config, 'config.json');
  checkBlocks(config.model, Object.keys(tensors).length);
  const built = diffusionOf(config);
  const { isImage, shape, shapes, layouts, image } = built.network;
  if (image !== undefined) {
    throw new RangeError('model.condition_channels is set, but nothing here tells a network an image.');
  }
  if (!isImage) throw new RangeError('model._class_name is MLP, but only a UNet2DModel draws images.');
  if (util.sizeFromShape([...shape]) > MAX_NUMBERS) {
    throw new RangeError(`The images have ${shape.join('×')} numbers, too many for a browser tab.`);
  }
  const params = paramsFromSafetensors(bytes, layouts);
  try {
    checkParams('The weights', params, shapes);
    return { config, ...built, params };
  } catch (error) {
    disposeParams(params);
    throw error;
  }
}

/** Every block has weights, so a config of more blocks than there are weights is refused before it is built. */
function checkBlocks({ layers_per_block, down_block_types }: RunConfig['model'], weights: number): void {
  const stages = Array.isArray(down_block_types) ? down_block_types.length : 1;
  if (stages * Number(layers_per_block ?? 1) > weights) {
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
