import { elboLoss, erfDecoder, tanhDecoder } from '@diffusion-ts/losses';
import { type AutoencoderKlConfig, autoencoderKl, autoencoderKlConfig } from '@diffusion-ts/models';
import {
  gaussianOfMoments,
  type ReverseProcess,
  variationalAutoencoder,
} from '@diffusion-ts/reverse-process';
import { ancestral } from '@diffusion-ts/samplers';
import type { Params } from '@diffusion-ts/tensor';
import type { Built } from './build.js';
import type { RunConfig } from './config/schema.js';
import { ConfigError } from './config-error.js';
import { checked } from './network.js';
import { timesOf } from './sampling.js';
import { optimizationOf } from './training.js';

/** A variational autoencoder of images: Gaussians on both sides, whose means and variances the networks say. */
export function buildAutoencoder({ model, loss, process: unused, training }: RunConfig): Built {
  checkUnused(unused);
  if (loss.kind !== 'elbo') {
    throw new ConfigError(
      `loss.kind is ${loss.kind}: expected elbo, which is what an AutoencoderKL learns by.`,
    );
  }
  const { _class_name, ...rest } = model;
  const autoencoder = checked(rest, Object.keys(autoencoderKlConfig({})), () =>
    autoencoderKl(rest as Partial<AutoencoderKlConfig>),
  );
  const {
    sample_size: size,
    in_channels: channels,
    latent_channels,
    block_out_channels,
  } = autoencoder.config;
  const latentSize = size / 2 ** (block_out_channels.length - 1);
  const latentShape = [latentSize, latentSize, latent_channels];
  const process = (params: Params): ReverseProcess =>
    variationalAutoencoder({
      encode: (x) => gaussianOfMoments(autoencoder.encode(params, x)),
      decode: (z) => gaussianOfMoments(autoencoder.decode(params, z)),
      latentShape,
    });
  const { shapes, layouts, init } = autoencoder;
  const { forward } = process({});
  return {
    network: {
      config: { _class_name, ...autoencoder.config },
      shapes,
      layouts,
      shape: [size, size, channels],
      isImage: true,
      init,
    },
    forward,
    latentShape,
    decoder: erfDecoder,
    trainSteps: (rng) => ({
      ...optimizationOf(training),
      reverse: process,
      loss: elboLoss({ beta: loss.beta, decoder: tanhDecoder }),
      rng,
      dispose: () => {},
    }),
    sampler(settings) {
      if (settings.sampler === 'ancestral') return ancestral({ times: timesOf(settings, forward.schedule) });
      throw new ConfigError(
        `sampling.sampler is ${settings.sampler}: expected ancestral, since an AutoencoderKL takes a single step from its latents.`,
      );
    },
    process(params, guidance = 0) {
      if (guidance === 0) return { ...process(params), dispose: () => {} };
      throw new ConfigError(
        `sampling.guidance is ${guidance}: expected 0, since an AutoencoderKL is told no classes.`,
      );
    },
  };
}

/** What a process of noise is set by, at its defaults: an autoencoder has none, and would pass over anything else. */
const UNUSED = {
  predicts: 'epsilon',
  sigmaData: 0.5,
  variance: 'fixedSmall',
  noise: 'gaussian',
  zeroTerminalSnr: false,
} as const;

function checkUnused(process: RunConfig['process']): void {
  for (const [key, value] of Object.entries(UNUSED)) {
    const given = process[key as keyof typeof UNUSED];
    if (given === value) continue;
    throw new ConfigError(
      `process.${key} is ${given}: expected ${value}, its default, since an AutoencoderKL has no process of noise.`,
    );
  }
}
