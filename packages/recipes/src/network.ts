import type { Dataset } from '@diffusion-ts/datasets';
import {
  type ClassifierConfig,
  classifier,
  type MixerConfig,
  type MlpConfig,
  type Model,
  mixer,
  mlp,
  type UNetConfig,
  unet,
  unetConfig,
} from '@diffusion-ts/models';
import { VARIANCES } from '@diffusion-ts/reverse-process';
import type { Condition, Denoiser, Layouts, Params, Rng, Shapes } from '@diffusion-ts/tensor';
import { dispose, tensor1d, zeros } from '@tensorflow/tfjs-core';
import { classesOf, isSequences } from './classes.js';
import { conditionOf, conditionShapeOf } from './condition-image.js';
import type { RunConfig } from './config/schema.js';
import { blaming, ConfigError } from './config-error.js';
import { oneOfThese } from './names.js';
import { categoricalForwardOf } from './process.js';

/** The network of a run, and what it says of the data. */
export interface Network {
  /** Complete: the keys of the model's own config and `_class_name`. */
  readonly config: RunConfig['model'];
  /** The shape of every parameter, by its name. */
  readonly shapes: Shapes;
  /** The layout of every parameter that PyTorch lays out otherwise. */
  readonly layouts: Layouts;
  /** Of one example: `[height, width, channels]` or `[dimensions]`. */
  readonly shape: readonly number[];
  /** Whether examples are images, `[height, width, channels]`. */
  readonly isImage: boolean;
  /** How many classes it can be asked for; undefined where it knows none. */
  readonly classes?: number;
  /** The label that means "no class", where it learned without classes too. */
  readonly nullLabel?: number;
  /** The shape of the image that it is told of each example, `condition.image`; undefined where it is told none. */
  readonly image?: readonly number[];
  /** Whether zeros mean "no image", where it learned without images too. */
  readonly nullImage?: boolean;
  /** Fresh parameters, which the caller disposes. */
  init(rng: Rng): Params;
}

/** One that says what is noise in x_t. */
export interface DenoisingNetwork extends Network {
  /** The network with these weights; with an `rng` it drops out, as in training. */
  denoiser(params: Params, rng?: Rng): Denoiser;
}

/** Whether a network learned some of the examples without what it is told of the others. */
export function learnsWithout({ nullLabel, nullImage = false }: Network): boolean {
  return nullLabel !== undefined || nullImage;
}

/** What such a network is told of an example without a condition, one row; undefined where it never learned without. */
export function emptyCondition(network: Network):
  | {
      /** `{ label }`, `[1]`, `{ image }`, `[1, height, width, channels]` of zeros, or both. */
      readonly condition: Condition;
      /** Frees it. */
      dispose(): void;
    }
  | undefined {
  if (!learnsWithout(network)) return undefined;
  const { nullLabel, nullImage, image } = network;
  const condition = {
    ...(nullLabel !== undefined && { label: tensor1d([nullLabel], 'int32') }),
    ...(nullImage && { image: zeros([1, ...image!]) }),
  };
  return { condition, dispose: () => dispose(condition) };
}

/** How many parameters there are. */
export function countOf(shapes: Shapes): number {
  return Object.values(shapes).reduce((sum, shape) => sum + shape.reduce((product, n) => product * n, 1), 0);
}

/**
 * The network that a config describes. `hidden` says whether it learns without a condition too: its last label then means
 * "no class", and zeros "no image".
 * @throws ConfigError if it cannot be built, or denoises nothing.
 */
export function denoisingNetworkOf(config: RunConfig['model'], hidden: boolean): DenoisingNetwork {
  const { _class_name: name, ...rest } = config;
  if (name === 'AutoencoderKL' || name === 'Classifier') {
    throw new ConfigError(
      `model._class_name is ${name}, which denoises nothing: expected UNet2DModel or MLP.`,
    );
  }
  if (name === 'MLP') {
    const model = checked(rest, MLP_KEYS, () => mlp(rest as unknown as MlpConfig));
    const { dimensions, classes } = model.config;
    return network(name, model, { shape: [dimensions], labels: classes, hidden });
  }
  if (name === 'Mixer') {
    const model = checked(rest, MIXER_KEYS, () => mixer(rest as unknown as MixerConfig));
    return network(name, model, { shape: [model.config.length], labels: null, hidden });
  }
  const model = checked(rest, UNET_KEYS, () => unet(rest as Partial<UNetConfig>));
  const { sample_size: size, in_channels: inputs, condition_channels: told, ...others } = model.config;
  if (size === null) throw new ConfigError('model.sample_size is null: say how many pixels the images have.');
  const [height, width] = typeof size === 'number' ? [size, size] : size;
  return network(name, model, {
    shape: [height, width, inputs - (told ?? 0)],
    labels: others.num_class_embeds,
    hidden,
    ...(told !== undefined && { image: [height, width, told] }),
  });
}

/**
 * The classifier that a config describes.
 * @throws ConfigError if it cannot be built.
 */
export function classifierOf({ _class_name, ...config }: RunConfig['model']): Model<ClassifierConfig> {
  return checked(config, Object.keys(classifier({}).config), () => classifier(config));
}

/**
 * The model's config with what the data decide filled in: sizes, channels, classes. What is given and does not agree
 * with the data is refused.
 * @throws ConfigError naming what does not agree.
 */
export function fitModel(
  { data, model, process, training }: Pick<RunConfig, 'data' | 'model' | 'process' | 'training'>,
  dataset: Dataset,
): RunConfig['model'] {
  const isImage = dataset.shape.length === 3;
  if (isImage === (model._class_name === 'MLP' || model._class_name === 'Mixer')) {
    throw new ConfigError(
      `model._class_name is ${model._class_name}: expected ${isImage ? 'UNet2DModel or AutoencoderKL for images' : `MLP${isSequences(data) ? ' or Mixer for sequences' : ' for points'}`}.`,
    );
  }
  const [first, second, channels] = dataset.shape as [number, number, number];
  const classes = classesOf(data);
  const forward = classes === undefined ? undefined : categoricalForwardOf(process, classes);
  if (model._class_name === 'Mixer' && !isSequences(data)) {
    throw new ConfigError('model._class_name is Mixer: expected MLP for points.');
  }
  // A logit for every class, or what is predicted and perhaps a variance.
  const outputs = forward?.classes ?? (VARIANCES[process.variance].learned ? 2 : 1);
  const hides = training.labelDropout > 0;
  const labels = dataset.classes === undefined ? null : dataset.classes.length + (hides ? 1 : 0);
  const told = conditionShapeOf(data, dataset.shape)?.[2];
  const decided =
    model._class_name === 'AutoencoderKL'
      ? decidedOfAutoencoder(dataset, data)
      : model._class_name === 'Classifier'
        ? decidedOfClassifier(dataset)
        : model._class_name === 'Mixer'
          ? { length: first, states: forward?.states ?? 0, outputs }
          : isImage
            ? {
                sample_size: first === second ? first : [first, second],
                in_channels: channels + (told ?? 0),
                ...(told !== undefined && { condition_channels: told }),
                out_channels: outputs * channels,
                num_class_embeds: labels,
              }
            : { dimensions: first, outputs: outputs * first, classes: labels };
  for (const [key, value] of Object.entries(decided)) {
    const given = model[key] ?? value;
    if (JSON.stringify(given) !== JSON.stringify(value)) {
      throw new ConfigError(
        `model.${key} is ${JSON.stringify(given)}: expected ${JSON.stringify(value)}, which is what the data and the other settings ask for.`,
      );
    }
  }
  if (model._class_name === 'AutoencoderKL') return { ...model, ...decided };
  if (model._class_name === 'Classifier') {
    return { _class_name: model._class_name, ...classifierOf({ ...model, ...decided }).config };
  }
  return denoisingNetworkOf({ ...model, ...decided }, hides).config;
}

/** What the data decide of an autoencoder, whose decoder says a mean and a variance of every pixel. */
function decidedOfAutoencoder(
  { shape: [height, width, channels], classes }: Dataset,
  data: RunConfig['data'],
): Record<string, unknown> {
  const condition = conditionOf(data);
  if (condition !== undefined) {
    throw new ConfigError(
      `data.condition is ${condition.kind}: expected null, since an AutoencoderKL is told nothing.`,
    );
  }
  if (height !== width) {
    throw new ConfigError(
      `The images are ${height} × ${width}: expected square ones, which an AutoencoderKL is for.`,
    );
  }
  if (classes !== undefined) {
    throw new ConfigError('data.labels is true: expected false, since an AutoencoderKL is told no classes.');
  }
  return { sample_size: height, in_channels: channels, out_channels: 2 * channels! };
}

/** A network with parameters beside its own, which are trained with them and which it does not see. */
export function withParameters(
  network: DenoisingNetwork,
  { shapes, init }: Pick<Network, 'shapes' | 'init'>,
): DenoisingNetwork {
  return {
    ...network,
    shapes: { ...network.shapes, ...shapes },
    init: (rng) => ({ ...network.init(rng), ...init(rng) }),
    denoiser(params, rng) {
      const own = Object.entries(params).filter(([name]) => !Object.hasOwn(shapes, name));
      return network.denoiser(Object.fromEntries(own), rng);
    },
  };
}

/** What the data decide of a classifier. */
function decidedOfClassifier({
  shape: [height, width, channels],
  classes,
}: Dataset): Record<string, unknown> {
  if (classes === undefined) {
    throw new ConfigError('data.labels is false: expected true, since a Classifier learns the classes.');
  }
  return {
    sample_size: height === width ? height : [height, width],
    in_channels: channels,
    classes: classes.length,
  };
}

const UNET_KEYS = [...Object.keys(unetConfig({})), 'condition_channels'];
const MIXER_KEYS = ['length', 'states', 'outputs', 'hidden', 'layers', 'timeFeatures'];
const MLP_KEYS = ['dimensions', 'outputs', 'hidden', 'layers', 'timeFeatures', 'classes'];

/** What is made of the keys of a model's config, or a sentence that says which is none of them, or what it must be. */
export function checked<M>(config: object, known: readonly string[], make: () => M): M {
  const strange = Object.keys(config).find((key) => !known.includes(key) && !key.startsWith('_'));
  if (strange !== undefined) {
    throw new ConfigError(`model.${strange} is no setting: expected ${oneOfThese(strange, known)}.`);
  }
  return blaming('model.', make);
}

interface OfData extends Pick<Network, 'shape' | 'image'> {
  /** How many labels there are, that for "no class" included; null: none. */
  readonly labels: number | null;
  /** Whether it learns without a condition too. */
  readonly hidden: boolean;
}

function network<C extends object>(
  name: RunConfig['model']['_class_name'],
  model: Model<C>,
  { shape, image, labels, hidden }: OfData,
): DenoisingNetwork {
  return {
    config: { _class_name: name, ...model.config },
    shapes: model.shapes,
    layouts: model.layouts,
    shape,
    isImage: shape.length === 3,
    ...(labels !== null && (hidden ? { classes: labels - 1, nullLabel: labels - 1 } : { classes: labels })),
    ...(image && { image, nullImage: hidden }),
    init: model.init,
    denoiser: (params, rng) => (xt, told, condition) => model.apply(params, xt, told, condition, rng),
  };
}
