// A model's images, which one rank draws or several draw together.

import { broadcastParams, type Communicator } from '@diffusion-ts/parallel';
import { diffusionOf, type RunConfig, samplingProcess } from '@diffusion-ts/recipes';
import { disposeParams, type Params } from '@diffusion-ts/tensor';
import type { ImageModel } from '../files/image-model.js';
import type { Client } from '../lab/protocol.js';
import { type Drawn, draw, type SampleFrame, type SampleRequest } from './draw.js';

export interface GuidedRequest extends SampleRequest {
  /** Counts where the model learned without classes too. */
  readonly guidance: number;
}

/** Draws with the weights of the first rank; the others have none to give. */
export async function drawModel(
  communicator: Communicator,
  { network, forward, config }: Omit<ImageModel, 'params'>,
  { guidance, ...request }: GuidedRequest,
  client: Client<SampleFrame>,
  weights?: Params,
): Promise<Drawn> {
  const params = await broadcastParams(communicator, weights);
  try {
    const scale = network.nullLabel === undefined ? 0 : guidance;
    const process = samplingProcess(network, params, forward, config.process, scale);
    try {
      return await draw(process, network.shape, request, communicator, client);
    } finally {
      process.dispose();
    }
  } finally {
    disposeParams(params);
  }
}

/** What another rank is told of the drawing. */
export interface SampleShare {
  readonly config: RunConfig;
  readonly request: GuidedRequest;
}

export function shareOf({ config }: ImageModel, { start, known, ...request }: GuidedRequest): SampleShare {
  return {
    config,
    request: {
      ...request,
      ...(start && { start: { ...start, values: [...start.values] } }),
      ...(known && { known: { image: [...known.image], mask: [...known.mask] } }),
    },
  };
}

const NOBODY = { signal: new AbortController().signal, report() {} };

/** What another rank does of it. */
export async function helpToDraw(
  communicator: Communicator,
  { config, request }: SampleShare,
): Promise<void> {
  await drawModel(communicator, { config, ...diffusionOf(config) }, request, NOBODY);
}
