import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { type ReverseProcess, reverseProcess } from '@diffusion-ts/reverse-process';
import { fromBetas } from '@diffusion-ts/schedules';
import { countParams, disposeParams, mapParams, type Rng, rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { DIGIT_RUN } from '../model/digit-run.js';
import { trainedDigits } from './digits.js';
import { type ImageModel, imageModel, readImageModel, samplingProcess } from './image-model.js';
import type { Handlers, Job } from './protocol.js';
import { SAMPLERS } from './samplers.js';
import { fetchBytes } from './site.js';

export interface OpenedModel {
  readonly shape: readonly [number, number, number];
  readonly classes: number;
  readonly guidance: boolean;
  /** T of the schedule that it was trained on. */
  readonly steps: number;
  readonly predicts: string;
  readonly size: number;
  /** The names of all samplers that there are. */
  readonly samplers: readonly string[];
}

export type ModelSource =
  | { readonly from: 'site' }
  | { readonly from: 'digits' }
  | { readonly from: 'file'; readonly bytes: Uint8Array; readonly config: unknown };

export interface SampleRequest {
  readonly sampler: string;
  readonly steps: number;
  readonly count: number;
  /** A class for each image; unused where the model knows none. */
  readonly labels: readonly number[];
  readonly guidance: number;
  readonly seed: number;
  /** Where to start, if not from noise: x_t itself, or x_0 to be noised up to t. One image, or one for each. */
  readonly start?: { readonly at: 'xt' | 'x0'; readonly t: number; readonly values: Float32Array };
  /** Pixels that are known already: of one image, where `mask` is 1. */
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

export interface SampleJobs {
  'sample/open': Job<ModelSource, never, OpenedModel>;
  'sample/run': Job<SampleRequest, SampleFrame, { images: Float32Array; evaluations: number }>;
}

let model: ImageModel | undefined;

export const sampleJobs: Handlers<SampleJobs> = {
  async 'sample/open'(source) {
    const opened = await open(source);
    if (model !== undefined) disposeParams(model.params);
    model = opened;
    return {
      shape: opened.shape,
      classes: opened.classes,
      guidance: opened.nullLabel !== undefined,
      steps: opened.run.schedule.steps,
      predicts: opened.run.predicts,
      size: countParams(opened.params),
      samplers: Object.keys(SAMPLERS),
    };
  },

  async *'sample/run'(request, signal) {
    if (model === undefined) throw new RangeError('No model is loaded yet.');
    const { shape } = model;
    const make = SAMPLERS[request.sampler];
    if (make === undefined) throw new RangeError(`There is no sampler "${request.sampler}".`);
    let evaluations = 0;
    let process = samplingProcess(model, request.guidance, () => {
      evaluations += 1;
    });
    if (request.known) process = knowing(process, request.known, shape);

    const random = rng(request.seed);
    const labels = model.classes > 0 ? tf.tensor1d([...request.labels], 'int32') : undefined;
    const start = startOf(process, request, shape, random);
    try {
      const last = request.start?.t ?? process.forward.schedule.steps - 1;
      const sampler = make({ steps: Math.min(request.steps, last + 1) });
      const walk = sampler(upTo(process, last), start, {
        rng: random.fork('walk'),
        signal,
        ...(labels && { condition: { labels } }),
      });
      let step = await walk.next();
      while (!step.done) {
        const { t, xt, x0, index, total } = step.value;
        yield {
          t,
          xt: (await xt.data()) as Float32Array,
          x0: (await x0.data()) as Float32Array,
          index,
          total,
          evaluations,
        };
        step = await walk.next();
      }
      const images = (await step.value.data()) as Float32Array;
      step.value.dispose();
      return { images, evaluations };
    } finally {
      tf.dispose([start, ...(labels ? [labels] : [])]);
    }
  },
};

async function open(source: ModelSource): Promise<ImageModel> {
  switch (source.from) {
    case 'site': {
      const [config, bytes] = await Promise.all(
        ['checkpoint/config.json', 'checkpoint/model.safetensors'].map(fetchBytes),
      );
      return readImageModel(bytes!, JSON.parse(new TextDecoder().decode(config)));
    }
    case 'digits': {
      const weights = trainedDigits();
      if (weights === undefined) throw new RangeError('Nothing is trained yet: go to the page Digits first.');
      return imageModel(
        DIGIT_RUN,
        mapParams(weights, (tensor) => tf.clone(tensor)),
      );
    }
    case 'file':
      return readImageModel(source.bytes, source.config);
  }
}

/** The process up to index `last` alone, so that any sampler starts there. */
function upTo(process: ReverseProcess, last: number): ReverseProcess {
  const { schedule } = process.forward;
  if (last === schedule.steps - 1) return process;
  return reverseProcess({
    ...process,
    forward: gaussianDiffusion(fromBetas(schedule.betas.slice(0, last + 1))),
  });
}

function startOf(
  process: ReverseProcess,
  { start, count }: SampleRequest,
  shape: ImageModel['shape'],
  random: Rng,
): tf.Tensor {
  const size = [count, ...shape];
  if (start === undefined) return random.fork('xT').normal(size);
  return tf.tidy(() => {
    const one = start.values.length === shape[0] * shape[1] * shape[2];
    const given = one
      ? tf.tile(tf.tensor(start.values, [1, ...shape]), [count, 1, 1, 1])
      : tf.tensor(start.values, size);
    if (start.at === 'xt') return given;
    const t = tf.fill([count], start.t, 'int32') as tf.Tensor1D;
    return process.forward.sample(given, t, random.fork('xT').normal(size));
  });
}

/**
 * The process with some pixels known: the x_0 that the network predicts is corrected there. Any sampler then moves those
 * pixels as the forward process would have, and the others see them at every step.
 */
function knowing(
  process: ReverseProcess,
  { image, mask }: NonNullable<SampleRequest['known']>,
  shape: ImageModel['shape'],
): ReverseProcess {
  return reverseProcess({
    ...process,
    predicts: 'x0',
    variance: 'fixedSmall',
    denoiser: (xt, t, condition) =>
      tf.tidy(() => {
        const { x0 } = process.predict(xt, t, condition);
        const known = tf.tensor(mask, [1, ...shape]);
        return tf.add(tf.mul(x0, tf.sub(1, known)), tf.mul(tf.tensor(image, [1, ...shape]), known));
      }),
  });
}
