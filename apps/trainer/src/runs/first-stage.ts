import type { Batch, Dataset } from '@diffusion-ts/datasets';
import type { Gaussian } from '@diffusion-ts/forward-process';
import { decoderOf, type RunConfig, type Split } from '@diffusion-ts/recipes';
import { atOnce, type ReverseProcess } from '@diffusion-ts/reverse-process';
import { disposeParams, type Rng, rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { openPlainData, type PlainConfig } from '../data.js';
import { Refusal } from '../errors.js';
import { deviationOf } from './deviation.js';
import { openModel } from './open-model.js';
import { inParts } from './parts.js';
import { weightsHash } from './weights-hash.js';

export type LatentsConfig = Extract<RunConfig['data'], { kind: 'latents' }>;

const PART = 64;

/** The autoencoder whose latents a diffusion model is trained on (Rombach et al. 2022). */
export interface FirstStage {
  /** What it learned from. */
  readonly data: PlainConfig;
  /** Of one image. */
  readonly shape: readonly number[];
  /** Of the latents of one image. */
  readonly latentShape: readonly number[];
  readonly process: ReverseProcess;
  /** Of its weights. */
  readonly hash: string;
  dispose(): void;
}

/** @throws Refusal if there is no run of an autoencoder at the path. */
export async function openFirstStage({ path }: LatentsConfig): Promise<FirstStage> {
  if (path === null) {
    throw new Refusal(
      'data.path is not set: name the run of an autoencoder (preset mnist-vae) with --data PATH.',
      { exitCode: 2 },
    );
  }
  const { config, built, params } = await openModel(path);
  const { latentShape } = built;
  const { data } = config;
  if (latentShape === undefined || data.kind === 'latents') {
    disposeParams(params);
    throw new Refusal(
      `${path} is a run of ${config.model._class_name}: expected one of an AutoencoderKL, such as the preset mnist-vae trains.`,
      { exitCode: 2 },
    );
  }
  return {
    data,
    shape: built.network.shape,
    latentShape,
    process: built.process(params),
    hash: await weightsHash(params),
    dispose: () => disposeParams(params),
  };
}

/**
 * Draws of q(z | x) times `scale`, for x of the data that the autoencoder learned from. Without `random`, what is drawn for
 * an example depends on its index alone, whatever batch it is in.
 */
export async function latentsOf(config: LatentsConfig, split: Split): Promise<Dataset> {
  const stage = await openFirstStage(config);
  const images = await openPlainData(imagesOf(config, stage), split);
  const scale = config.scale ?? 1;
  const { forward } = stage.process;
  const noiseOf = (indices: ArrayLike<number>, random: Rng | undefined): tf.Tensor => {
    if (random) return random.fork('latents').normal([indices.length, ...stage.latentShape]);
    const each = Array.from(indices, (i) =>
      rng(0)
        .rows(i)
        .normal([1, ...stage.latentShape]),
    );
    return tf.concat(each, 0);
  };
  return {
    ...images,
    shape: stage.latentShape,
    range: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
    // The latents of other weights are other data.
    fingerprint: async () => `${await images.fingerprint?.()} ${stage.hash}`,
    async batch(indices, random) {
      const { x0, condition } = await images.batch(indices, random);
      const z = tf.tidy(() =>
        tf.mul(forward.sample(x0, forward.schedule.end, noiseOf(indices, random)), scale),
      );
      x0.dispose();
      return { x0: z, ...(condition && { condition }) };
    },
  };
}

/** The data of the autoencoder, with their classes where the latents are asked for by class. */
function imagesOf(config: LatentsConfig, { data }: FirstStage): PlainConfig {
  return 'labels' in data ? { ...data, labels: config.labels } : data;
}

function encoded({ process: { forward } }: FirstStage, x: tf.Tensor): Gaussian {
  return forward.marginal(x, forward.schedule.end);
}

/** 1 / the deviation of the latents of the first training images: what makes them as large as the noise. */
export async function measuredScale(config: LatentsConfig): Promise<number> {
  return 1 / (await deviationOf(await latentsOf({ ...config, scale: 1 }, 'train')));
}

/** The images that latents stand for, `[count, …shape]`: the mean of p(x | z). */
export async function decodedAll(
  stage: FirstStage,
  values: Float32Array,
  scale: number,
): Promise<Float32Array> {
  const [each, size] = [sizeOf(stage.latentShape), sizeOf(stage.shape)];
  const count = values.length / each;
  const images = new Float32Array(count * size);
  await inParts(count, PART, async (first, rows) => {
    const decoded = tf.tidy(() => {
      const z = tf.tensor(values.subarray(first * each, (first + rows) * each), [rows, ...stage.latentShape]);
      return atOnce(stage.process.evaluate(tf.div(z, scale), stage.process.forward.schedule.end)).x0();
    });
    images.set(await decoded.data<'float32'>(), first * size);
    decoded.dispose();
  });
  return images;
}

/** What latents cost and save beside their own bound, means over images in bits per dimension of an image. */
export interface FirstStageBits {
  /** −log₂ p(x | z). */
  readonly distortion: number;
  /** log₂ q(z | x), of the scaled latents. */
  readonly encoding: number;
}

/**
 * log₂ q(z | x) − log₂ p(x | z) of the first images: with −log₂ p(z), which the diffusion model bounds, it is the bound of
 * −log₂ p(x) (Vahdat et al. 2021, eq. 2).
 */
export async function firstStageBits(
  config: LatentsConfig,
  count: number,
  random: Rng,
): Promise<FirstStageBits & { dimensions: number; latents: number }> {
  const stage = await openFirstStage(config);
  const images = await openPlainData(imagesOf(config, stage), 'test');
  const decoder = decoderOf(stage.data);
  const [dimensions, latents] = [sizeOf(stage.shape), sizeOf(stage.latentShape)];
  let [distortion, encoding, examples] = [0, 0, 0];
  try {
    await inParts(Math.min(count, images.size), PART, async (first, rows) => {
      const batch = await images.batch(Array.from({ length: rows }, (_, i) => first + i));
      const [missed, said] = tf.tidy(() => {
        const q = encoded(stage, batch.x0);
        const z = q.sample(random.rows(first));
        const p = atOnce(stage.process.evaluate(z, stage.process.forward.schedule.end)).to(
          stage.process.forward.schedule.start,
        );
        return [tf.sum(decoder(p, batch.x0)), tf.sum(q.logProb(z))].map((x) => x.dataSync()[0]!);
      }) as unknown as [number, number];
      distortion -= missed / Math.LN2;
      encoding += said / Math.LN2;
      examples += rows;
      disposeBoth(batch);
    });
  } finally {
    stage.dispose();
  }
  // A density of scaled numbers is less by the scale.
  const ofScale = latents * Math.log2(config.scale ?? 1);
  return {
    distortion: distortion / examples / dimensions,
    encoding: (encoding / examples - ofScale) / dimensions,
    dimensions,
    latents,
  };
}

function disposeBoth({ x0, condition }: Batch): void {
  tf.dispose([x0, condition ?? {}]);
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}
