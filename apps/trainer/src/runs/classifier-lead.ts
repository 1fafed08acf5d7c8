import { type Built, classifierGuided, type RunConfig } from '@diffusion-ts/recipes';
import type { GaussianReverseProcess } from '@diffusion-ts/reverse-process';
import { disposeParams } from '@diffusion-ts/tensor';
import { Refusal } from '../errors.js';
import { classDifference, readFingerprint } from '../run/fingerprint.js';
import { openModel } from './open-model.js';
import type { Lead } from './sample-run.js';

/** A run that is led, and the names of its classes. */
export interface Led {
  readonly config: RunConfig;
  readonly built: Built;
  readonly names: readonly string[];
}

/**
 * Classifier guidance by the weights of a run of a classifier: towards p(y | x_t) to the power of `scale`. The caller calls
 * `dispose` when done.
 * @throws Refusal if there is no classifier, or it does not see what the run draws.
 */
export async function openClassifierLead(
  folder: string,
  scale: number,
  { config, built, names }: Led,
): Promise<Lead & { readonly names: readonly string[]; dispose(): void }> {
  const refusal = (is: string, expected: string): Refusal =>
    new Refusal(`--classifier is ${folder}, ${is}: expected ${expected}.`, { exitCode: 2 });
  if (config.process.noise !== 'gaussian' || built.latentShape !== undefined) {
    throw new Refusal('--classifier leads runs with Gaussian noise alone, and this one has none.', {
      exitCode: 2,
    });
  }
  const { coupling } = config.training;
  if (coupling !== 'independent') {
    throw new Refusal(
      `--classifier leads runs that learned a score, and training.coupling of this one is ${coupling}, of which a network learns a flow alone.`,
      { exitCode: 2 },
    );
  }
  const opened = await openModel(folder);
  const { network, classifier } = opened.built;
  try {
    if (classifier === undefined) {
      throw refusal(
        `a run of ${opened.config.model._class_name}`,
        'one of a Classifier, such as the preset mnist-classifier trains',
      );
    }
    if (network.shape.join() !== built.network.shape.join()) {
      throw refusal(
        `which sees ${network.shape.join('×')}`,
        `one that sees ${built.network.shape.join('×')}`,
      );
    }
    const own = readFingerprint(folder)?.classes ?? [];
    const problem = names.length > 0 && own.length > 0 ? classDifference(names, own) : undefined;
    const { classes } = built.network;
    if (problem !== undefined || (classes !== undefined && classes !== network.classes)) {
      throw refusal(
        'which knows other classes than this run',
        `the same${problem === undefined ? '' : `, but ${problem}`}`,
      );
    }
    return {
      classes: network.classes!,
      names: own,
      process: (reverse) => {
        const logits = classifier(opened.params, reverse.forward.schedule);
        return classifierGuided(reverse as GaussianReverseProcess, logits, scale);
      },
      dispose: () => disposeParams(opened.params),
    };
  } catch (error) {
    disposeParams(opened.params);
    throw error;
  }
}
