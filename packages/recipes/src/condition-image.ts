import {
  type Dataset,
  type Degradation,
  greyscale,
  keptOf,
  lowResolution,
  withConditionImage,
} from '@diffusion-ts/datasets';
import type { RunConfig } from './config/schema.js';
import { blaming, ConfigError } from './config-error.js';

type Data = RunConfig['data'];
/** What a network is told of an image, in a config. */
export type ConditionConfig = NonNullable<Extract<Data, { kind: 'mnist' }>['condition']>;

const DEGRADATIONS: {
  readonly [K in ConditionConfig['kind']]: (config: Extract<ConditionConfig, { kind: K }>) => Degradation;
} = {
  'low-resolution': ({ factor }) => lowResolution(factor),
  grey: () => greyscale,
};

/** The `data.condition` of a config; undefined where the network is told no image. */
export function conditionOf(data: Data): ConditionConfig | undefined {
  return ('condition' in data && data.condition) || undefined;
}

/** What the network is told of an image by this config. */
export function degradationOf(config: ConditionConfig): Degradation {
  return (DEGRADATIONS[config.kind] as (config: ConditionConfig) => Degradation)(config);
}

/**
 * Images as a config asks for them: made smaller, and with what is told of each as `condition.image`.
 * @throws ConfigError if that cannot be made of such images.
 */
export function preparedImages(images: Dataset, data: Data): Dataset {
  const reduction = 'reduction' in data ? (data.reduction ?? 1) : 1;
  const smaller =
    reduction === 1 ? images : blaming('data.reduction: ', () => keptOf(images, lowResolution(reduction)));
  const condition = conditionOf(data);
  if (condition === undefined) return smaller;
  const { noise } = condition;
  return blaming('data.condition: ', () =>
    withConditionImage(smaller, { degradation: degradationOf(condition), noise }),
  );
}

/**
 * The shape of `condition.image` for images of this shape, its level of noise included; undefined where there is none.
 * @throws ConfigError if nothing can be kept of such images.
 */
export function conditionShapeOf(data: Data, shape: readonly number[]): readonly number[] | undefined {
  const condition = conditionOf(data);
  if (condition === undefined) return undefined;
  const [, , channels] = blaming('data.condition: ', () => degradationOf(condition).kept(shape));
  return [...shape.slice(0, 2), channels + (condition.noise > 0 ? 1 : 0)];
}

/** @throws ConfigError unless the network is told an image where the data have one, and of as many channels. */
export function checkCondition(
  data: Data,
  { shape, image }: { readonly shape: readonly number[]; readonly image?: readonly number[] },
): void {
  const [told, needed] = [conditionShapeOf(data, shape)?.[2], image?.[2]];
  if (told === needed) return;
  throw new ConfigError(
    needed === undefined
      ? `data.condition is ${conditionOf(data)!.kind}: expected null, since this network is told no image.`
      : `model.condition_channels is ${needed}: expected ${told ?? 'none'}, which is what data.condition tells it.`,
  );
}
