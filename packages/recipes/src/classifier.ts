import { labelCrossEntropy, type NoisyClassifier } from '@diffusion-ts/losses';
import type { GaussianReverseProcess } from '@diffusion-ts/reverse-process';
import { energyGuided, labelEnergy } from '@diffusion-ts/samplers';
import type { NoiseLevel, NoiseSchedule } from '@diffusion-ts/schedules';
import {
  axpby,
  mapExamples,
  type Params,
  type PerExample,
  perExampleTensor,
  type Rng,
} from '@diffusion-ts/tensor';
import { type Tensor, tidy } from '@tensorflow/tfjs-core';
import type { Built } from './build.js';
import { classesOf } from './classes.js';
import type { RunConfig } from './config/schema.js';
import { blaming, ConfigError } from './config-error.js';
import { classifierOf } from './network.js';
import { checkGiven, forwardOf } from './process.js';
import { toldStepsOf } from './training.js';

/** The logits of p(y | x_t) by what a classifier learned. */
export type Logits = NoisyClassifier['logits'];

/**
 * A classifier of noisy images (Dhariwal and Nichol 2021, section 4), taught at all levels of the noise of its process.
 *
 * It sees x_t/√(α² + σ²) and is told 1000 σ/(α + σ), which the signal-to-noise ratio alone decides: so it guides runs of any
 * schedule, and not only of that which it was trained on.
 */
export function buildClassifier(config: RunConfig): Built {
  checkClassifier(config);
  const { model, process, training } = config;
  const network = classifierOf(model);
  const { sample_size: size, in_channels: channels, classes } = network.config;
  const [height, width] = typeof size === 'number' ? [size, size] : size;
  checkGiven(process);
  const forward = blaming('process.schedule: ', () => forwardOf(process));

  const logits =
    (params: Params, { level }: NoiseSchedule, rng?: Rng): Logits =>
    (xt, t) =>
      tidy(() => {
        const at = (of: (level: NoiseLevel) => number): PerExample =>
          mapExamples(t, (time) => of(level(time)));
        const seen = axpby(
          at(({ alpha, sigma }) => 1 / Math.hypot(alpha, sigma)),
          xt,
          0,
          xt,
        );
        const told = at(({ alpha, sigma }) => (1000 * sigma) / (alpha + sigma));
        return network.apply(params, seen, perExampleTensor(told, xt.shape[0]!), {}, rng);
      });
  const about = {
    config: { _class_name: model._class_name, ...network.config },
    shapes: network.shapes,
    layouts: network.layouts,
    shape: [height, width, channels],
    isImage: true,
    classes,
    init: network.init,
  };
  return {
    network: about,
    forward,
    classifier: logits,
    trainSteps: (rng) => ({
      ...toldStepsOf(training, about),
      reverse: (params, rng): NoisyClassifier => ({ forward, logits: logits(params, forward.schedule, rng) }),
      loss: labelCrossEntropy(),
      rng,
    }),
    process: drawsNothing,
    sampler: drawsNothing,
    decoder: drawsNothing,
  };
}

function drawsNothing(): never {
  throw new ConfigError(
    'model._class_name is Classifier: expected a network that denoises, since a Classifier tells classes, and neither draws nor bounds anything.',
  );
}

/**
 * Classifier guidance: the process of p(x_t) p(y | x_t)^s, with the label y of the condition.
 * @throws RangeError if the scale is not finite.
 */
export function classifierGuided(
  reverse: GaussianReverseProcess,
  logits: Logits,
  scale: number,
): GaussianReverseProcess {
  const energy = (
    xt: Tensor,
    t: PerExample,
    condition?: Parameters<ReturnType<typeof labelEnergy>>[2],
  ): Tensor => labelEnergy((x) => logits(x, t))(xt, t, condition);
  return energyGuided(reverse, { energy, scale });
}

/** What a network that draws is set by, at its defaults: a classifier would pass over anything else. */
const UNUSED = {
  predicts: 'epsilon',
  sigmaData: 0.5,
  variance: 'fixedSmall',
  noise: 'gaussian',
} as const;

/** That nothing is asked for which a classifier does not have. */
function checkClassifier({ data, process, loss, training, sampling }: RunConfig): void {
  const refused = (setting: string, value: unknown, expected: string): never => {
    throw new ConfigError(`${setting} is ${value}: expected ${expected}.`);
  };
  if (loss.kind !== 'cross-entropy') {
    refused('loss.kind', loss.kind, 'cross-entropy, which is what a Classifier learns by');
  }
  if (classesOf(data) !== undefined) {
    refused('data.kind', data.kind, 'images of numbers, to which a Classifier sees Gaussian noise added');
  }
  for (const [key, value] of Object.entries(UNUSED)) {
    const given = process[key as keyof typeof UNUSED];
    if (given !== value)
      refused(`process.${key}`, given, `${value}, its default, since a Classifier denoises nothing`);
  }
  if (training.coupling !== 'independent') {
    refused('training.coupling', training.coupling, 'independent, since a Classifier follows no paths');
  }
  if (sampling.guidance !== 0) {
    refused('sampling.guidance', sampling.guidance, '0, since a Classifier draws nothing');
  }
}
