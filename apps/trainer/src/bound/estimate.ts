import { gaussianKl, type Loss } from '@diffusion-ts/losses';
import type { ReverseProcess } from '@diffusion-ts/reverse-process';
import { nextTask, type Rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { inclusion, systematic } from './timesteps.js';

/** Examples to evaluate: `x0` [batch, …], and the label of each where the network is told one. */
export interface Examples {
  readonly x0: tf.Tensor;
  readonly labels?: tf.Tensor1D;
}

/** The bound on a set of examples in bits per dimension: means over the examples, and the standard error of the sum. */
export interface BoundEstimate {
  readonly images: number;
  readonly bitsPerDim: number;
  readonly standardError: number;
  readonly prior: number;
  readonly transitions: number;
  readonly reconstruction: number;
  /** The mean term at t over the examples that were evaluated there. */
  readonly terms: { readonly t: number; readonly bitsPerDim: number }[];
}

export interface EstimateOptions {
  /** The bound at one timestep per example, in bits per dimension. */
  readonly term: Loss;
  /** How many terms are evaluated for each example; all of them make the full sum. */
  readonly timesteps: number;
  readonly rng: Rng;
  readonly signal?: AbortSignal;
  readonly onTerm?: (images: number) => void;
}

/**
 * Estimates the variational bound (Ho et al. 2020, eq. 5) without bias from a few of its terms: each example is
 * evaluated at timesteps of its own, chosen with known probabilities π_t, and Σ L_t/π_t over those has the whole sum as
 * its expectation (Horvitz and Thompson 1952). The standard error covers the choice of t, the noise and the examples.
 */
export async function estimateBound(
  reverse: ReverseProcess,
  batches: AsyncIterable<Examples>,
  { term, timesteps, rng, signal, onTerm }: EstimateOptions,
): Promise<BoundEstimate> {
  const { schedule } = reverse.forward;
  const probabilities = inclusion(schedule, timesteps);
  const sums = new Float64Array(schedule.steps);
  const counts = new Uint32Array(schedule.steps);
  const totals: number[] = [];
  let prior = 0;
  let reconstruction = 0;

  for await (const { x0, labels } of batches) {
    const first = totals.length;
    const rows = x0.shape[0]!;
    const offsets = rng.fork('offset').rows(first);
    const source = rng.fork('noise').rows(first);
    const chosen = [...tf.tidy(() => offsets.uniform([rows]).dataSync())].map((u) =>
      systematic(probabilities, u),
    );
    const bound = [...(await read(() => priorBits(reverse, x0)))];
    prior += bound.reduce((sum, bits) => sum + bits, 0);

    for (let k = 0; chosen.some((timesteps) => k < timesteps.length); k++) {
      signal?.throwIfAborted();
      await nextTask();
      // An example that has one timestep less than others (the sum of π_t rounds) is evaluated again and not counted.
      const t = chosen.map((timesteps) => timesteps[k] ?? 0);
      const bits = await read(() => {
        const noise = source.normal(x0.shape);
        return term(reverse, x0, tf.tensor1d(t, 'int32'), noise, labels && { labels }).perExample;
      });
      bits.forEach((value, i) => {
        if (k >= chosen[i]!.length) return;
        bound[i]! += value / probabilities[t[i]!]!;
        sums[t[i]!]! += value;
        counts[t[i]!]! += 1;
        if (t[i] === 0) reconstruction += value;
      });
      onTerm?.(first + (rows * (k + 1)) / chosen[0]!.length);
    }
    totals.push(...bound);
  }

  const images = totals.length;
  const mean = totals.reduce((sum, bits) => sum + bits, 0) / images;
  const variance = totals.reduce((sum, bits) => sum + (bits - mean) ** 2, 0) / Math.max(1, images - 1);
  return {
    images,
    bitsPerDim: mean,
    standardError: Math.sqrt(variance / images),
    prior: prior / images,
    transitions: mean - (prior + reconstruction) / images,
    reconstruction: reconstruction / images,
    terms: [...counts].flatMap((count, t) => (count > 0 ? [{ t, bitsPerDim: sums[t]! / count }] : [])),
  };
}

/** L_T in bits per dimension, `[batch]`. */
function priorBits(reverse: ReverseProcess, x0: tf.Tensor): tf.Tensor {
  const nats = gaussianKl(reverse.forward.prior(x0), { mean: tf.scalar(0), logVariance: tf.scalar(0) });
  return tf.div(tf.mean(tf.reshape(nats, [x0.shape[0]!, -1]), 1), Math.LN2);
}

async function read(f: () => tf.Tensor): Promise<Float32Array> {
  const tensor = tf.tidy(f);
  try {
    return (await tensor.data()) as Float32Array;
  } finally {
    tensor.dispose();
  }
}
