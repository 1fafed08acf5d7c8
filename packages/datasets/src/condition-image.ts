import { axpby, type PerExample, perExampleTensor, type Rng, rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type Dataset, derived } from './dataset.js';
import type { Degradation } from './degradation.js';

/** The noise of conditioning augmentation (Ho et al. 2021, Cascaded Diffusion Models, section 4). */
export interface Augmentation {
  /** The deviation σ of the noise, of each example or of all. */
  readonly level: PerExample;
  /** Where the noise comes from. */
  readonly rng: Rng;
}

/**
 * `condition.image` of what is kept of images: kept + σ ε, laid out as an image `[batch, height, width, channels]`. Where there
 * is an augmentation, its level is told too, as one more channel that is σ everywhere. The caller disposes it.
 *
 * The paper noises by its forward process and embeds the time; here noise is added, and its deviation is told as a picture,
 * so that any network that takes images can be told.
 * @throws RangeError if there are not as many levels as examples.
 */
export function conditionImage(
  degradation: Degradation,
  kept: tf.Tensor4D,
  augmentation?: Augmentation,
): tf.Tensor4D {
  if (augmentation === undefined) return degradation.enlarge(kept);
  const { level, rng } = augmentation;
  return tf.tidy(() => {
    const noised = axpby(1, kept, level, rng.normal(kept.shape)) as tf.Tensor4D;
    const image = degradation.enlarge(noised);
    const [batch, height, width] = image.shape;
    const told = tf.reshape(perExampleTensor(level, batch), [batch, 1, 1, 1]);
    return tf.concat4d([image, tf.tile(told, [1, height, width, 1]) as tf.Tensor4D], 3);
  });
}

/** How a network is told an image of each example. */
export interface ConditionImageOptions {
  /** What is kept of x_0. */
  readonly degradation: Degradation;
  /**
   * Conditioning augmentation: where a batch is drawn to learn from, noise of a deviation uniform in [0, `noise`] is added to
   * what is kept, and told; elsewhere none, which is told too. 0, the default: none, and nothing is told.
   */
  readonly noise?: number;
}

/**
 * The same examples with `condition.image`, float32 `[batch, height, width, channels]`: what a degradation keeps of each.
 * @throws RangeError if the degradation keeps nothing of such examples, or `noise` is no number from 0 on.
 * @example
 * const digits = withConditionImage(await mnist(), { degradation: lowResolution(4), noise: 0.5 });
 * const { x0, condition } = await digits.batch([0]); // condition.image [1, 28, 28, 2]
 */
export function withConditionImage(
  dataset: Dataset,
  { degradation, noise = 0 }: ConditionImageOptions,
): Dataset {
  degradation.kept(dataset.shape);
  if (!(noise >= 0 && noise < Infinity)) {
    throw new RangeError(`noise is ${noise}, expected a finite number of at least 0`);
  }
  return derived(dataset, {
    async batch(indices, random) {
      const { x0, condition } = await dataset.batch(indices, random);
      const image = tf.tidy(() => {
        const kept = degradation.reduce(x0 as tf.Tensor4D);
        if (noise === 0) return conditionImage(degradation, kept);
        const source = (random ?? rng(0)).fork('condition');
        const level = random ? source.doubles(indices.length).map((u) => noise * u) : 0;
        return conditionImage(degradation, kept, { level, rng: source });
      });
      return { x0, condition: { ...condition, image } };
    },
  });
}

/**
 * What a degradation keeps of the examples, as data of their own: those of the first stage of a cascade.
 * @throws RangeError if the degradation keeps nothing of such examples.
 */
export function keptOf(dataset: Dataset, degradation: Degradation): Dataset {
  return derived(dataset, {
    shape: degradation.kept(dataset.shape),
    async batch(indices, random) {
      const { x0, ...rest } = await dataset.batch(indices, random);
      const kept = degradation.reduce(x0 as tf.Tensor4D);
      x0.dispose();
      return { x0: kept, ...rest };
    },
  });
}
