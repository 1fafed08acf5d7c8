import { labelCrossEntropy } from '@diffusion-ts/losses';
import type { Built } from '@diffusion-ts/recipes';
import { rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
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

/** What a classifier knows of the first examples of a dataset at evenly spread times, each seen once at each of them. */
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
  return withParts(Math.min(partOf(built.network), count), async (part) => {
    const sums = times.map(() => ({ right: 0, bits: 0 }));
    let done = 0;
    for await (const { x0, condition } of inOrder(dataset, count, part)) {
      for (const [k, t] of times.entries()) {
        signal?.throwIfAborted();
        const found = tf.tidy(() => {
          const noise = forward.noise(rng(seed).fork('evaluation').fork(k).rows(done), x0.shape);
          const logits = classifier(forward.sample(x0, t, noise), t);
          const { perExample } = loss({
            ...{ x0, t, noise, condition: condition! },
            reverse: { forward, logits: () => logits },
          });
          const right = tf.cast(tf.equal(tf.argMax(logits, 1), condition!.label!), 'float32');
          return tf.stack([tf.sum(right), tf.sum(perExample)]);
        });
        const [right, bits] = await found.data<'float32'>();
        found.dispose();
        sums[k]!.right += right!;
        sums[k]!.bits += bits!;
      }
      done += x0.shape[0]!;
      onImages?.(done);
    }
    return times.map((t, k) => ({
      t,
      logSnr: forward.schedule.level(t).logSnr,
      accuracy: sums[k]!.right / count,
      bits: sums[k]!.bits / count,
    }));
  });
}

/** Evenly spread times, from the least noise to the most. */
function timesOf({ forward: { schedule } }: Built): number[] {
  const { steps, least, end } = schedule;
  const spread = Array.from({ length: LEVELS }, (_, k) => least + (k / (LEVELS - 1)) * (end - least));
  return steps === undefined ? spread : [...new Set(spread.map(Math.round))];
}
