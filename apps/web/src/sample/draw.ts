import { latent } from '@diffusion-ts/forward-process';
import type { Communicator } from '@diffusion-ts/parallel';
import { timesOf } from '@diffusion-ts/recipes';
import type { ReverseProcess } from '@diffusion-ts/reverse-process';
import { inpainted, SAMPLERS, sdedit } from '@diffusion-ts/samplers';
import { type NoiseSchedule, startingAt, type Times } from '@diffusion-ts/schedules';
import { finish, type Rng, rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Client } from '../lab/protocol.js';
import { gathered, ownRows, type Rows, sharedSignal } from '../lab/shared.js';

/** Those of a list can be told to another rank. */
export type Numbers = Float32Array | readonly number[];

export interface SampleRequest {
  readonly sampler: string;
  readonly steps: number;
  readonly count: number;
  /** A class for each image, where the model knows classes. */
  readonly labels?: readonly number[];
  readonly seed: number;
  /** Where to start, if not from noise: x_t itself, or x_0 to be noised up to t. One image, or one for each. */
  readonly start?: { readonly at: 'xt' | 'x0'; readonly t: number; readonly values: Numbers };
  /** What stays of one image: the pixels where `mask` is 1. */
  readonly known?: { readonly image: Numbers; readonly mask: Numbers };
}

/** x_t and the x_0 that the network sees in it, for all images, in [−1, 1]. */
export interface SampleFrame {
  readonly t: number;
  readonly xt: Float32Array;
  readonly x0: Float32Array;
  readonly index: number;
  readonly total: number;
  /** Evaluations of the network so far. */
  readonly evaluations: number;
}

export interface Drawn {
  readonly images: Float32Array;
  readonly evaluations: number;
}

/**
 * Draws images of a shape with a process, showing each step. Each rank draws some of them, the same ones whatever their
 * number, and is shown all.
 */
export async function draw(
  process: ReverseProcess,
  shape: readonly number[],
  request: SampleRequest,
  communicator: Communicator,
  client: Client<SampleFrame>,
): Promise<Drawn> {
  const named = SAMPLERS[request.sampler];
  if (named === undefined) throw new RangeError(`There is no sampler "${request.sampler}".`);
  const times = timesOfRequest(request, process.forward.schedule);
  const sampler =
    request.start?.at === 'x0' ? sdedit((times) => named.make({ times }), times) : named.make({ times });
  let evaluations = 0;
  const known = request.known && {
    image: tf.tensor(request.known.image, [1, ...shape]),
    known: tf.tensor(request.known.mask, [1, ...shape], 'bool'),
  };
  const wise = known ? inpainted(process, known) : process;
  const counted: ReverseProcess = {
    ...wise,
    evaluate(...asked) {
      evaluations += 1;
      return wise.evaluate(...asked);
    },
  };
  const own = ownRows(communicator, request.count);
  const random = rng(request.seed).rows(own.first);
  const label = request.labels && tf.tensor1d(request.labels.slice(own.first, own.end), 'int32');
  const start = startOf(process, shape, request, own, random.fork('xT'));
  const { signal, agree } = sharedSignal(communicator, client.signal);
  try {
    const walk = sampler(counted, start, {
      rng: random.fork('walk'),
      signal,
      ...(label && { condition: { label } }),
    });
    const end = await finish(walk, async ({ from, x, x0, index, total = index + 1 }) => {
      const [xt, seen] = await Promise.all([gathered(communicator, x), gathered(communicator, x0)]);
      client.report({ t: from.t, xt, x0: seen, index, total, evaluations });
      await agree();
    });
    const images = await gathered(communicator, end).finally(() => end.dispose());
    return { images, evaluations };
  } finally {
    tf.dispose([start, label ?? [], known ?? {}]);
  }
}

/** As many times as asked for, spread as the command line spreads them; no more than there are below the start. */
function timesOfRequest({ sampler, steps, start }: SampleRequest, schedule: NoiseSchedule): Times {
  const most = schedule.steps === undefined ? steps : Math.floor(start?.t ?? schedule.end) + 1;
  const times = timesOf({ sampler, steps: Math.min(steps, most), times: null }, schedule);
  return start === undefined ? times : startingAt(start.t, times);
}

/** What the sampler is given of this rank's images: x_T, x_t or the images that it starts from. */
function startOf(
  { forward }: ReverseProcess,
  shape: readonly number[],
  { start }: SampleRequest,
  { first, end }: Rows,
  random: Rng,
): tf.Tensor {
  const own = [end - first, ...shape];
  if (start === undefined) return latent(forward, random, own);
  const each = tf.util.sizeFromShape([...shape]);
  if (start.values.length > each) return tf.tensor(start.values.slice(first * each, end * each), own);
  return tf.tidy(() => tf.broadcastTo(tf.tensor(start.values, [1, ...shape]), own));
}
