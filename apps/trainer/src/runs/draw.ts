import { type Distribution, type Gaussian, latent } from '@diffusion-ts/forward-process';
import type { ReverseProcess } from '@diffusion-ts/reverse-process';
import type { Sampler } from '@diffusion-ts/samplers';
import { finish, type Rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { gathered, ofAll, shareOf, together } from '../shared.js';
import { inParts } from './parts.js';

export interface DrawOptions<D extends Distribution = Gaussian> {
  readonly sampler: Sampler<D>;
  /** The shape of one sample. */
  readonly shape: readonly number[];
  readonly count: number;
  /** How many samples go through the network at once at most: a matter of speed and memory alone. */
  readonly batch: number;
  /** Whether those that go together share their steps, so that no rank takes a part of such a part. */
  readonly keepsParts?: boolean | undefined;
  /** Where all noise comes from: row i is that of sample i. */
  readonly rng: Rng;
  /** Where samples `first` … begin, if not at noise: what the sampler is given in its place; drawing frees it. */
  readonly start?: ((first: number, rows: number) => tf.Tensor) | undefined;
  /** The class of sample i, if the network is told one. */
  readonly label?: ((i: number) => number) | undefined;
  /** The rows of the images that samples `first` … are told of, if the network is told any; drawing frees them. */
  readonly image?: ((first: number, rows: number) => tf.Tensor) | undefined;
  /** Whether x_t of a step is kept, by the step's number and how many there are; by default none is. */
  readonly keep?: (index: number, total: number) => boolean;
  readonly signal?: AbortSignal;
  /** Called after each step with the share of the work that is done, in 0 … 1. */
  readonly onStep?: (done: number) => void;
}

export interface Drawn {
  /** `[count, …shape]`, row-major. */
  readonly samples: Float32Array;
  /** x_t of the steps that are kept, from the noise to the samples themselves, each like `samples`. */
  readonly frames: Float32Array[];
}

/** x_T of samples, each from the row of `rng` that the sample has. */
export function startsOf<D extends Distribution>(
  { forward }: Pick<ReverseProcess<D>, 'forward'>,
  rng: Rng,
  shape: readonly number[],
): tf.Tensor {
  return latent(forward, rng.fork('xT'), shape);
}

/**
 * Draws samples, each rank its share of them, and gives all of them on every rank. Sample i depends on its row of `rng` alone:
 * it has streams of noise of its own.
 */
export async function draw<D extends Distribution = Gaussian>(
  reverse: ReverseProcess<D>,
  options: DrawOptions<D>,
): Promise<Drawn> {
  const { sampler, shape, count, batch, keepsParts, rng, start, label, image, keep, signal, onStep } =
    options;
  const size = shape.reduce((product, n) => product * n, 1);
  const share = shareOf(count, keepsParts ? batch : 1);
  const samples = new Float32Array(share.own * size);
  const frames: Float32Array[] = [];

  const drawPart = async (done: number, rows: number): Promise<void> => {
    const first = share.first + done;
    const xT = start?.(first, rows) ?? startsOf(reverse, rng.rows(first), [rows, ...shape]);
    const condition = {
      ...(label && {
        label: tf.tensor1d(
          Array.from({ length: rows }, (_, i) => label(first + i)),
          'int32',
        ),
      }),
      ...(image && { image: image(first, rows) }),
    };
    const steps = sampler(reverse, xT, {
      rng: rng.fork('steps').rows(first),
      ...((label || image) && { condition }),
      ...(signal && { signal }),
    });
    try {
      let kept = 0;
      const last = await finish(steps, async ({ x, index, total = index + 1 }) => {
        if (keep?.(index, total)) {
          frames[kept] ??= new Float32Array(samples.length);
          frames[kept++]!.set((await x.data()) as Float32Array, done * size);
        }
        onStep?.((done + (rows * (index + 1)) / total) / share.own);
      });
      samples.set((await last.data()) as Float32Array, done * size);
      last.dispose();
    } finally {
      tf.dispose([xT, condition]);
    }
  };

  await together(() => inParts(share.own, batch, drawPart), signal);
  const all = await gathered(samples, size);
  if (keep === undefined) return { samples: all, frames: [] };
  // A rank may have kept fewer, or drawn nothing at all.
  const most = Math.max(...(await ofAll(frames.length)));
  const whole: Float32Array[] = [];
  for (let k = 0; k < most; k++)
    whole.push(await gathered(frames[k] ?? new Float32Array(samples.length), size));
  return { samples: all, frames: [...whole, all] };
}
