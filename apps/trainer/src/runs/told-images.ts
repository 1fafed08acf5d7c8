import { existsSync, statSync } from 'node:fs';
import { conditionImage, type Dataset, disposeBatch } from '@diffusion-ts/datasets';
import {
  type Built,
  type ConditionConfig,
  conditionOf,
  degradationOf,
  type RunConfig,
} from '@diffusion-ts/recipes';
import { disposeParams, type Rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { Refusal } from '../errors.js';
import { type Shown, sideBySide } from '../pictures/picture.js';
import { readPicture } from '../pictures/read-picture.js';
import { openData } from './open-data.js';
import { openModel } from './open-model.js';
import { type SampleRunOptions, sampleRun } from './sample-run.js';

/** What the network of a run is told of images, sample by sample. */
export interface ToldImages {
  /** What is kept of each, `[count, …keptShape]`, without noise. */
  readonly kept: Float32Array;
  /** Of one. */
  readonly keptShape: readonly number[];
  /** Their classes, where they have any. */
  readonly labels?: readonly number[];
  /** The images that it was made of, where there are such, `[count, …shape]`. */
  readonly originals?: Float32Array;
}

/** What a command says of the images that a network is told. */
export interface Telling {
  /** A picture, or the folder of a run; undefined for test images. */
  readonly condition?: string;
  /** The deviation of the noise that is added to them. */
  readonly conditionNoise?: number;
}

/**
 * That a run is told images, where a command says which, and of as much noise.
 * @throws Refusal naming the option.
 */
export function checkTelling({ condition, conditionNoise }: Telling, { data }: RunConfig): void {
  const learned = conditionOf(data);
  if (learned === undefined) {
    const option = condition === undefined ? '--condition-noise' : '--condition';
    if (condition === undefined && conditionNoise === undefined) return;
    throw new Refusal(
      `${option} goes with a run that is told an image (data.condition), which this one is not.`,
      {
        exitCode: 2,
      },
    );
  }
  if (condition !== undefined && !existsSync(condition)) {
    throw new Refusal(
      `--condition is ${condition}, and there is nothing of that name: expected a picture or a run.`,
      {
        exitCode: 2,
      },
    );
  }
  if ((conditionNoise ?? 0) <= learned.noise) return;
  throw new Refusal(
    `--condition-noise is ${conditionNoise}: expected at most ${learned.noise}, as much as this run learned of (data.condition.noise).`,
    { exitCode: 2 },
  );
}

/** A run that is told images, and which samples are drawn from it. */
export interface Told {
  readonly config: RunConfig;
  readonly built: Built;
  /** A number for each sample, by which it takes its test image. */
  readonly numbers: readonly number[];
  /** The class of all of them, if one is asked for. */
  readonly only: number | undefined;
  /** How a run whose samples are told draws them. */
  readonly first: Pick<SampleRunOptions, 'rng' | 'label' | 'signal'>;
}

/**
 * The images that samples are told: a picture, the samples of a run, or test images.
 * @throws Refusal if they are not what this run is told.
 */
export function toldImages({ condition }: Telling, told: Told): Promise<ToldImages> {
  if (condition === undefined) return ofTestImages(told.config, told.numbers, told.only);
  return statSync(condition).isDirectory() ? ofSamples(condition, told) : ofPicture(condition, told);
}

/** The `data.condition` of a run whose network is told an image. */
function conditionIn({ data }: RunConfig): ConditionConfig {
  return conditionOf(data)!;
}

/**
 * What is kept of test images: that of sample i is the one at `indices[i]`, counted round where there are fewer, of all or of
 * those of a class.
 * @throws Refusal if there is none of that class.
 */
export async function ofTestImages(
  config: RunConfig,
  indices: readonly number[],
  label?: number,
): Promise<ToldImages> {
  const { reduce } = degradationOf(conditionIn(config));
  const plain = { ...config.data, condition: null } as RunConfig['data'];
  const dataset = await openData(plain, 'test');
  const { length } = indices;
  const among =
    label === undefined
      ? undefined
      : await ofClass(dataset, label, indices.reduce((most, i) => Math.max(most, i), 0) + 1);
  const batch = await dataset.batch(
    indices.map((i) => (among === undefined ? i % dataset.size : among[i % among.length]!)),
  );
  const kept = reduce(batch.x0 as tf.Tensor4D);
  try {
    const labels = batch.condition?.label;
    return {
      kept: await kept.data<'float32'>(),
      keptShape: kept.shape.slice(1),
      originals: await batch.x0.data<'float32'>(),
      ...(labels && { labels: [...(await labels.data<'int32'>())].slice(0, length) }),
    };
  } finally {
    kept.dispose();
    disposeBatch(batch);
  }
}

const LOOKED_AT = 256;

/** The first examples of a class, at most `count`. */
async function ofClass(dataset: Dataset, label: number, count: number): Promise<number[]> {
  const found: number[] = [];
  for (let first = 0; first < dataset.size && found.length < count; first += LOOKED_AT) {
    const indices = Array.from({ length: Math.min(LOOKED_AT, dataset.size - first) }, (_, i) => first + i);
    const batch = await dataset.batch(indices);
    const labels = await batch.condition!.label!.data<'int32'>();
    disposeBatch(batch);
    found.push(...indices.filter((_, i) => labels[i] === label));
  }
  if (found.length > 0) return found.slice(0, count);
  throw new Refusal(`There is no test image of class ${label}.`);
}

/** What is kept of a picture, or the picture itself, where it has no more pixels than are kept; for every sample the same. */
async function ofPicture(file: string, { config, built, numbers }: Told): Promise<ToldImages> {
  const { kept, reduce } = degradationOf(conditionIn(config));
  const { shape } = built.network;
  const [height, width, channels] = shape as [number, number, number];
  const [keptHeight, keptWidth, keptChannels] = kept(shape);
  const read = await readPicture(file, channels, [
    [height, width],
    [keptHeight, keptWidth],
  ]);
  const isKept = read.shape[0] === keptHeight && read.shape[1] === keptWidth && channels === keptChannels;
  const one = isKept
    ? read.values
    : tf.tidy(() => reduce(tf.tensor(read.values, [1, ...read.shape]) as tf.Tensor4D).dataSync<'float32'>());
  const all = new Float32Array(numbers.length * one.length);
  for (let i = 0; i < numbers.length; i++) all.set(one, i * one.length);
  return { kept: all, keptShape: [keptHeight, keptWidth, keptChannels] };
}

/**
 * The samples of a run that draws what this one enlarges, by the same classes (Ho et al. 2021, Cascaded Diffusion Models): as
 * its own config says, of noise of their own.
 * @throws Refusal if they are not what this run is told.
 */
async function ofSamples(
  folder: string,
  { config, built, numbers, first: { rng, label, signal } }: Told,
): Promise<ToldImages> {
  const first = await openModel(folder);
  try {
    const { network } = first.built;
    const keptShape = degradationOf(conditionIn(config)).kept(built.network.shape);
    if (network.shape.join() !== keptShape.join() || first.config.data.kind === 'latents') {
      throw new Refusal(
        `${folder} draws ${network.shape.join('×')}: expected a run that draws images of ${keptShape.join('×')}, which is what this one is told.`,
        { exitCode: 2 },
      );
    }
    if (network.image !== undefined) {
      throw new Refusal(`${folder} is told images itself: expected a run that draws from noise alone.`, {
        exitCode: 2,
      });
    }
    if (built.network.classes !== undefined && network.classes !== built.network.classes) {
      throw new Refusal(
        `${folder} knows ${network.classes ?? 'no'} classes: expected the ${built.network.classes} of this run, by which its samples go on.`,
        { exitCode: 2 },
      );
    }
    const { samples } = await sampleRun({
      ...first,
      settings: { ...first.config.sampling, count: numbers.length },
      rng: rng.fork('first stage'),
      // By its own classes in turn, where this one knows none.
      ...(built.network.classes !== undefined && { label }),
      ...(signal && { signal }),
    });
    return { kept: samples.map((value) => Math.min(1, Math.max(-1, value))), keptShape };
  } finally {
    disposeParams(first.params);
  }
}

/** The rows that samples are drawn with: the class of each, and the images, which drawing frees. */
export type ToldRows = Required<Pick<SampleRunOptions, 'image'>> & Pick<SampleRunOptions, 'label'>;

/** What is told of samples, with noise of deviation `level` added to it where the run learned of noise. */
export function toldRows(
  config: RunConfig,
  { kept, keptShape, labels }: ToldImages,
  rng: Rng,
  level: number,
): ToldRows {
  const condition = conditionIn(config);
  const degradation = degradationOf(condition);
  const size = sizeOf(keptShape);
  const image = (first: number, rows: number): tf.Tensor =>
    tf.tidy(() => {
      const values = kept.subarray(first * size, (first + rows) * size);
      const of = tf.tensor4d(values, [rows, ...keptShape] as [number, number, number, number]);
      const noise = { level, rng: rng.fork('condition').rows(first) };
      return conditionImage(degradation, of, condition.noise > 0 ? noise : undefined);
    });
  return { image, ...(labels && { label: (i: number) => labels[i]! }) };
}

/** Every sample to the right of what it was told, and left of the original, where there is one: `each` pictures. */
export async function besideTold(
  samples: Float32Array,
  { originals }: ToldImages,
  { image }: ToldRows,
  shown: Shown,
): Promise<{ values: Float32Array; each: number }> {
  const [, , channels] = shown.shape as [number, number, number];
  const seen = tf.tidy(() => {
    const all = image!(0, samples.length / sizeOf(shown.shape));
    // Its last channel may be the level of the noise; grey is shown as the colour that it is.
    const own = all.shape[3]! >= channels ? channels : 1;
    return tf.tile(tf.slice(all, [0, 0, 0, 0], [-1, -1, -1, own]), [1, 1, 1, channels / own]);
  });
  const parts = [await seen.data<'float32'>(), samples, ...(originals ? [originals] : [])];
  seen.dispose();
  return { values: sideBySide(parts, shown), each: parts.length };
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}
