import { type Built, classifierGuided } from '@diffusion-ts/recipes';
import type { GaussianReverseProcess } from '@diffusion-ts/reverse-process';
import { disposeParams } from '@diffusion-ts/tensor';
import type { Opened } from '../diffusers.js';
import { Refusal } from '../errors.js';
import { classDifference, readFingerprint } from '../run/fingerprint.js';
import { openModel } from './open-model.js';

/** A run as it is led by a classifier, whose classes it then has, whether it knows any itself or not. */
export interface Led {
  readonly built: Built;
  /** Of the classes. */
  readonly names: readonly string[];
  /** Frees the weights of the classifier. */
  dispose(): void;
}

/**
 * Classifier guidance by the weights of a run of a classifier: towards p(y | x_t) to the power of `scale`.
 * @throws Refusal if there is no classifier, or it does not see what the run draws.
 */
export async function ledByClassifier(
  folder: string,
  scale: number,
  { config, built, names }: Pick<Opened, 'config' | 'built'> & Pick<Led, 'names'>,
): Promise<Led> {
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
      built: {
        ...built,
        network: { ...built.network, classes: network.classes! },
        process(params, guidance) {
          const { dispose, ...reverse } = built.process(params, guidance);
          const logits = classifier(opened.params, reverse.forward.schedule);
          return { ...classifierGuided(reverse as GaussianReverseProcess, logits, scale), dispose };
        },
      },
      names: names.length > 0 ? names : own,
      dispose: () => disposeParams(opened.params),
    };
  } catch (error) {
    disposeParams(opened.params);
    throw error;
  }
}
