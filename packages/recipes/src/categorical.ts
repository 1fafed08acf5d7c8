import { logProb } from '@diffusion-ts/losses';
import { type CategoricalReverseProcess, categoricalReverseProcess } from '@diffusion-ts/reverse-process';
import { SAMPLERS } from '@diffusion-ts/samplers';
import type { Params, Rng } from '@diffusion-ts/tensor';
import type { Built } from './build.js';
import { classesOf } from './classes.js';
import type { RunConfig } from './config/schema.js';
import { blaming, ConfigError } from './config-error.js';
import { classLossOf } from './loss.js';
import { denoisingNetworkOf } from './network.js';
import { categoricalForwardOf } from './process.js';
import { timesOf } from './sampling.js';
import { toldStepsOf } from './training.js';

/**
 * A network that says which classes the data were of, and the process on classes that it undoes.
 * @throws ConfigError if the data are numbers, or the network or the process cannot be built.
 */
export function buildCategorical(config: RunConfig): Built {
  const classes = classesOf(config.data);
  if (classes === undefined) {
    throw new ConfigError(
      `process.noise is ${config.process.noise}: expected gaussian, since numbers are asked for and no classes.`,
    );
  }
  const network = denoisingNetworkOf(config.model, config.training.labelDropout > 0);
  const forward = blaming('process.schedule: ', () => categoricalForwardOf(config.process, classes));
  const reverse = (params: Params, rng?: Rng): CategoricalReverseProcess =>
    categoricalReverseProcess({ forward, denoiser: network.denoiser(params, rng) });
  return {
    network,
    forward,
    decoder: logProb,
    trainSteps: (rng) => ({
      ...toldStepsOf(config.training, network),
      reverse,
      loss: classLossOf(config),
      rng,
    }),
    sampler(settings) {
      const { ofClasses, make } = SAMPLERS[settings.sampler]!;
      if (ofClasses) return make({ times: timesOf(settings, forward.schedule) });
      throw new ConfigError(
        `sampling.sampler is ${settings.sampler}: expected ancestral, since x are classes, of which there are no sums.`,
      );
    },
    process(params, guidance = 0) {
      if (guidance === 0) return { ...reverse(params), dispose: () => {} };
      throw new ConfigError(
        `sampling.guidance is ${guidance}: expected 0, since the logits of classes are not guided.`,
      );
    },
  };
}
