import { SAMPLERS } from '@diffusion-ts/samplers';
import { countParams, disposeParams, mapParams } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { trainedDigits } from '../digits/jobs.js';
import { type ImageModel, readImageModel } from '../files/image-model.js';
import type { Handlers, Job } from '../lab/protocol.js';
import { areHelpersAt, together } from '../lab/ranks.js';
import { fetchBytes } from '../lab/site.js';
import type { ImageShape } from '../ui/image-canvas.js';
import type { Drawn, SampleFrame } from './draw.js';
import { drawModel, type GuidedRequest, shareOf } from './draw-model.js';

/** A sampler of the package, as the page shows it. */
export interface SamplerInfo {
  readonly name: string;
  readonly title: string;
  readonly note: string;
}

export interface OpenedModel {
  readonly shape: ImageShape;
  /** How many classes one can ask for; 0 where it knows none. */
  readonly classes: number;
  /** What stands for no class at all, where the model learned without classes too: it can then be guided. */
  readonly nullLabel: number | undefined;
  /** T of the schedule that it was trained on; undefined where time is continuous. */
  readonly steps: number | undefined;
  /** The time of the noise. */
  readonly end: number;
  readonly predicts: string;
  readonly size: number;
  readonly samplers: readonly SamplerInfo[];
}

export type ModelSource =
  | { readonly from: 'site' }
  | { readonly from: 'digits' }
  | { readonly from: 'file'; readonly bytes: Uint8Array; readonly config: unknown };

export interface SampleJobs {
  'sample/open': Job<ModelSource, never, OpenedModel>;
  'sample/run': Job<GuidedRequest & { readonly workers: number }, SampleFrame, Drawn>;
}

let model: ImageModel | undefined;

/** The samplers that the page draws beside one another: of each kind one. */
export const OFFERED: readonly string[] = ['ancestral', 'ddim', 'heun', 'dpm-solver++'];

export const sampleJobs: Handlers<SampleJobs> = {
  async 'sample/open'(source) {
    const opened = await open(source);
    if (model !== undefined) disposeParams(model.params);
    model = opened;
    const { network, forward, config, params } = opened;
    const { steps, end } = forward.schedule;
    return {
      shape: network.shape as [number, number, number],
      classes: network.classes ?? 0,
      nullLabel: network.nullLabel,
      steps,
      end,
      predicts: config.process.predicts,
      size: countParams(params),
      samplers: OFFERED.map((name) => {
        const { title, note } = SAMPLERS[name]!;
        return { name, title, note };
      }),
    };
  },

  async 'sample/run'({ workers, ...request }, client) {
    if (model === undefined) throw new RangeError('No model is loaded yet.');
    const opened = model;
    // What takes a moment does not wait for what takes minutes.
    const size = areHelpersAt('digits') ? 1 : Math.min(workers, request.count);
    return together(size, 'sample', shareOf(opened, request), (communicator) =>
      drawModel(communicator, opened, request, client, opened.params),
    );
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
      const trained = trainedDigits();
      if (trained === undefined) throw new RangeError('Nothing is trained yet: go to the page Digits first.');
      return { ...trained, params: mapParams(trained.params, (tensor) => tf.clone(tensor)) };
    }
    case 'file':
      return readImageModel(source.bytes, source.config);
  }
}
