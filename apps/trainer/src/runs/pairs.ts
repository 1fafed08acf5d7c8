import { checkIndices, type Dataset, toBatch } from '@diffusion-ts/datasets';
import type { Gaussian } from '@diffusion-ts/forward-process';
import type { Built, RunConfig } from '@diffusion-ts/recipes';
import { SAMPLERS } from '@diffusion-ts/samplers';
import { disposeParams, rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { Refusal } from '../errors.js';
import { progress } from '../progress.js';
import { readFingerprint } from '../run/fingerprint.js';
import { startsOf } from './draw.js';
import { openModel } from './open-model.js';
import { sampleRun } from './sample-run.js';
import { weightsHash } from './weights-hash.js';

const PAIRS = 4096;

/**
 * Pairs of noise and the sample that a run makes of it, to learn the straight way between them (reflow, Liu et al. 2023): by
 * the sampler of its config, without guidance, the classes in turns. Pair i depends on the run and on i alone. They are drawn
 * when the first is asked for.
 */
export async function pairsOf({ data, training }: Pick<RunConfig, 'data' | 'training'>): Promise<Dataset> {
  const { pairsOf: folder, pairs } = training;
  if (folder === null) {
    throw new Refusal(
      'training.pairsOf is not set: name the run whose samples to learn from with --reflow RUN.',
      {
        exitCode: 2,
      },
    );
  }
  const { config, built, params } = await openModel(folder);
  const problem = unpaired(config, built, data);
  if (problem !== undefined) {
    disposeParams(params);
    throw new Refusal(`${folder} ${problem}.`, { exitCode: 2 });
  }
  const { network, forward } = built;
  const { shape, classes } = network;
  const size = pairs ?? PAIRS;
  const settings = { ...config.sampling, guidance: 0, count: size };
  const source = rng(0).fork('pairs');
  const label = (i: number): number => i % classes!;
  const isTold = classes !== undefined && !('labels' in data && !data.labels);

  const drawAll = async (): Promise<Float32Array> => {
    const bar = progress('draw pairs', 0, size);
    const onStep = (done: number): void => bar.update(Math.floor(done * size), '');
    try {
      return (await sampleRun({ built, params, settings, rng: source, onStep })).samples;
    } finally {
      bar.stop();
    }
  };
  let drawn: Promise<Float32Array> | undefined;

  /** x_T of the samples; where noise grows beyond the data, as in EDM, that is so much larger than the noise. */
  const noiseOf = (indices: readonly number[]): tf.Tensor =>
    tf.tidy(() => {
      const starts = indices.map((i) => startsOf({ forward }, source.rows(i), [1, ...shape]));
      const { logVariance } = forward.prior([1, ...shape]) as Gaussian;
      return tf.mul(tf.concat(starts, 0), Math.exp(-(logVariance as number) / 2));
    });
  return {
    size,
    shape,
    range: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
    ...(isTold && {
      classes: readFingerprint(folder)?.classes ?? Array.from({ length: classes }, (_, k) => String(k)),
    }),
    // Those of other weights, or drawn otherwise, are other data.
    fingerprint: async () => `${await weightsHash(params)} ${JSON.stringify(settings)}`,
    async batch(indices) {
      checkIndices(indices, size);
      drawn ??= drawAll();
      const [samples, wanted] = [await drawn, Array.from(indices)];
      const each = samples.length / size;
      const values = new Float32Array(wanted.length * each);
      wanted.forEach((i, row) => {
        values.set(samples.subarray(i * each, (i + 1) * each), row * each);
      });
      const labels = isTold ? Int32Array.from(wanted, label) : undefined;
      return { ...toBatch(values, shape, labels), noise: noiseOf(wanted) };
    },
  };
}

/** Why there are no such pairs of a run, as what comes after its name; undefined where there are. */
function unpaired(
  { data, process, sampling: { sampler, eta, churn } }: RunConfig,
  { network, latentShape }: Built,
  wanted: RunConfig['data'],
): string | undefined {
  if (data.kind !== wanted.kind) {
    return `is a run of ${data.kind}: expected one of ${wanted.kind}, which the data of this config are`;
  }
  if (latentShape !== undefined || process.noise !== 'gaussian' || network.image !== undefined) {
    return 'makes no samples of Gaussian noise alone: expected a run that does';
  }
  const added = Object.entries({ eta, churn }).find(([, value]) => value !== null && value > 0);
  if (SAMPLERS[sampler]!.noise !== 'none' || added !== undefined) {
    const how = added === undefined ? sampler : `${sampler}, ${added[0]} ${added[1]}`;
    return `draws with ${how}, which adds noise on the way: expected a run whose sampler is ddim or heun, say`;
  }
  return undefined;
}
