import { latent } from '@diffusion-ts/forward-process';
import { timesOf } from '@diffusion-ts/recipes';
import type { ReverseProcess } from '@diffusion-ts/reverse-process';
import { inpainted, SAMPLERS, sdedit } from '@diffusion-ts/samplers';
import { type NoiseSchedule, startingAt, type Times } from '@diffusion-ts/schedules';
import { finish, type Rng, rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Client } from '../lab/protocol.js';

export interface SampleRequest {
  readonly sampler: string;
  readonly steps: number;
  readonly count: number;
  /** A class for each image, where the model knows classes. */
  readonly labels?: readonly number[];
  readonly seed: number;
  /** Where to start, if not from noise: x_t itself, or x_0 to be noised up to t. One image, or one for each. */
  readonly start?: { readonly at: 'xt' | 'x0'; readonly t: number; readonly values: Float32Array };
  /** What stays of one image: the pixels where `mask` is 1. */
  readonly known?: { readonly image: Float32Array; readonly mask: Float32Array };
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

/** Draws images of a shape with a process, showing each step. */
export async function draw(
  process: ReverseProcess,
  shape: readonly number[],
  request: SampleRequest,
  { signal, report }: Client<SampleFrame>,
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
  const random = rng(request.seed);
  const label = request.labels && tf.tensor1d([...request.labels], 'int32');
  const start = startOf(process, shape, request, random.fork('xT'));
  try {
    const walk = sampler(counted, start, {
      rng: random.fork('walk'),
      signal,
      ...(label && { condition: { label } }),
    });
    const end = await finish(walk, async ({ from, x, x0, index, total = index + 1 }) => {
      const [xt, seen] = await Promise.all([x.data<'float32'>(), x0.data<'float32'>()]);
      report({ t: from.t, xt, x0: seen, index, total, evaluations });
    });
    const images = await end.data<'float32'>();
    end.dispose();
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

/** What the sampler is given: x_T, x_t or the images that it starts from. */
function startOf(
  { forward }: ReverseProcess,
  shape: readonly number[],
  { start, count }: SampleRequest,
  random: Rng,
): tf.Tensor {
  const all = [count, ...shape];
  if (start === undefined) return latent(forward, random, all);
  return tf.tidy(() => {
    const one = start.values.length === tf.util.sizeFromShape([...shape]);
    return one ? tf.broadcastTo(tf.tensor(start.values, [1, ...shape]), all) : tf.tensor(start.values, all);
  });
}
