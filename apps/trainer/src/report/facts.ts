import { type Built, build, countOf, type RunConfig } from '@diffusion-ts/recipes';
import { duration, significant } from '../progress.js';
import type { Evaluation } from '../run/evaluation.js';
import type { Metrics } from '../run/metrics.js';

/** What is to be said of a run at a glance. */
export type Fact = readonly [name: string, value: string];

export function factsOf(
  config: RunConfig,
  metrics: readonly Metrics[],
  evaluation: Evaluation | undefined,
): Fact[] {
  return [...modelFacts(config), ...trainingFacts(metrics), ...boundFacts(evaluation)];
}

function modelFacts(config: RunConfig): Fact[] {
  const built = build(config);
  const { network } = built;
  const { model, data } = config;
  const parameters = countOf(network.shapes).toLocaleString('en');
  return [
    ['Model', `${MODELS[model._class_name]}, ${parameters} parameters`],
    ['Data', `${data.kind}, ${network.shape.join(' × ')}`],
    processFact(config, built),
  ];
}

const MODELS: Readonly<Record<RunConfig['model']['_class_name'], string>> = {
  MLP: 'MLP',
  Mixer: 'MLP-Mixer',
  UNet2DModel: 'U-Net',
  AutoencoderKL: 'Autoencoder',
  Classifier: 'Noisy classifier',
};

function processFact({ process }: RunConfig, { forward, latentShape, classifier }: Built): Fact {
  if (latentShape !== undefined) return ['Latents', latentShape.join(' × ')];
  const noise = process.noise === 'gaussian' ? '' : `${process.noise} noise, `;
  const predicts = classifier === undefined ? process.predicts : 'classes';
  return ['Process', `${process.schedule.kind}, ${noise}${timeOf(forward.schedule)}, predicts ${predicts}`];
}

function timeOf({ steps }: Built['forward']['schedule']): string {
  return steps === undefined ? 'continuous time' : `T = ${steps}`;
}

function trainingFacts(metrics: readonly Metrics[]): Fact[] {
  const last = metrics.at(-1);
  if (last === undefined) return [];
  return [
    ['Steps', last.step.toLocaleString('en')],
    ['Loss', significant(last.loss)],
    ['Training time', duration(metrics.reduce((sum, { seconds }) => sum + seconds, 0))],
  ];
}

function boundFacts(evaluation: Evaluation | undefined): Fact[] {
  return evaluation === undefined ? [] : [['Bound', `${withError(evaluation)} bits/dim`]];
}

/** The bound and its standard error. */
export function withError({ bitsPerDim, standardError }: Evaluation): string {
  return `${bitsPerDim.toFixed(3)} ± ${standardError.toFixed(3)}`;
}
