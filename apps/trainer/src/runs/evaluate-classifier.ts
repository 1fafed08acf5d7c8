import { labelCrossEntropy } from '@diffusion-ts/losses';
import type { Built } from '@diffusion-ts/recipes';
import { rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { ofAll, shareOf, together } from '../shared.js';
import { checkData, type EvaluateOptions, inOrder } from './evaluate-run.js';
import { partOf, withParts } from './parts.js';

/** How well a classifier knows the classes of examples with so much noise. */
export interface Classified {
  readonly t: number;
  readonly logSnr: number;
  /** The part of the examples whose likeliest class is their own. */
  readonly accuracy: number;
  /** −log₂ p(y | x_t), the mean over examples. */
  readonly bits: number;
}

const LEVELS = 10;

/** Sums over a part of the examples: how many classes are found, and −log₂ p(y | x_t). */
type Sums = readonly [right: number, bits: number];

/**
 * What a classifier knows of the first examples of a dataset at evenly spread times, each seen once at each of them; each rank
 * shows it whole parts, so that what is added up is the same by any number of them.
 */
export async function evaluateClassifier(
  options: Pick<EvaluateOptions, 'built' | 'params' | 'dataset' | 'limit' | 'seed' | 'unconditional'> &
    Pick<EvaluateOptions, 'signal' | 'onImages'>,
): Promise<Classified[]> {
  const { built, params, dataset, limit, seed, signal, onImages } = options;
  checkData(options);
  const { forward } = built;
  const times = timesOf(built);
  const classifier = built.classifier!(params, forward.schedule);
  const loss = labelCrossEntropy();
  const count = Math.min(limit, dataset.size);
  const most = partOf(built.network);
  const share = shareOf(count, most);
  /** Of every part, at every time. */
  const showAll = async (part: number): Promise<Sums[][]> => {
    const found: Sums[][] = [];
    let done = 0;
    for await (const { x0, condition } of inOrder(dataset, share, part)) {
      const sums: Sums[] = [];
      for (const [k, t] of times.entries()) {
        signal?.throwIfAborted();
        const seen = tf.tidy(() => {
          const noise = forward.noise(
            rng(seed)
              .fork('evaluation')
              .fork(k)
              .rows(share.first + done),
            x0.shape,
          );
          const logits = classifier(forward.sample(x0, t, noise), t);
          const { perExample } = loss({
            ...{ x0, t, noise, condition: condition! },
            reverse: { forward, logits: () => logits },
          });
          const right = tf.cast(tf.equal(tf.argMax(logits, 1), condition!.label!), 'float32');
          return tf.stack([tf.sum(right), tf.sum(perExample)]);
        });
        const [right, bits] = await seen.data<'float32'>();
        seen.dispose();
        sums.push([right!, bits!]);
      }
      found.push(sums);
      done += x0.shape[0]!;
      onImages?.((done * count) / share.own);
    }
    return found;
  };
  const parts = (
    await ofAll(await together(() => withParts(Math.min(most, share.own), showAll), signal))
  ).flat();
  const meanOf = (k: number, which: 0 | 1): number =>
    parts.reduce((sum, sums) => sum + sums[k]![which], 0) / count;
  return times.map((t, k) => ({
    t,
    logSnr: forward.schedule.level(t).logSnr,
    accuracy: meanOf(k, 0),
    bits: meanOf(k, 1),
  }));
}

/** Evenly spread times, from the least noise to the most. */
function timesOf({ forward: { schedule } }: Built): number[] {
  const { steps, least, end } = schedule;
  const spread = Array.from({ length: LEVELS }, (_, k) => least + (k / (LEVELS - 1)) * (end - least));
  return steps === undefined ? spread : [...new Set(spread.map(Math.round))];
}
