import type { Categorical, CategoricalDiffusion } from '@diffusion-ts/forward-process';
import {
  checkPerExample,
  type Denoiser,
  type PerExample,
  perExampleTensor,
  whenAnswered,
} from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Evaluation } from './evaluation.js';
import type { ReverseProcess } from './reverse-process.js';

/** p_θ on classes: what its network says of x_t is the classes of x_0. */
export interface CategoricalReverseProcess extends ReverseProcess<Categorical> {
  /** The process q that it undoes. */
  readonly forward: CategoricalDiffusion;
  /**
   * The network: of x_t, `[batch, …]`, the logits of the classes of x_0, those of one element beside one another:
   * `[batch, …, classes]`, or the same numbers in another shape, such as `[n, h, w, c · classes]`.
   */
  readonly denoiser: Denoiser;
}

/**
 * p_θ(x_s | x_t) = Σ_{x_0} q(x_s | x_t, x_0) p_θ(x_0 | x_t) (Austin et al. 2021, section 3.3; Hoogeboom et al. 2021, eq. 17),
 * the network predicting x_0. An x_0 that cannot become x_t has no part in it, whatever the network says: what absorbing
 * noise has not masked stays as it is (Sahoo et al. 2024, section 3.2.3). Its x̂_0 is the likeliest class.
 * @throws (its methods) RangeError if shapes do not fit or the schedule has no such time, TypeError if a time is no number.
 */
export function categoricalReverseProcess(
  options: Pick<CategoricalReverseProcess, 'forward' | 'denoiser'>,
): CategoricalReverseProcess {
  return {
    ...options,
    evaluate(xt, t, condition) {
      checkPerExample('t', t, 'xt', xt);
      const { forward, denoiser } = this;
      const told = perExampleTensor(t, xt.shape[0]!);
      const answer = (output: tf.Tensor): Evaluation<Categorical> => {
        try {
          return categoricalEvaluation(forward, xt, t, probabilitiesOf(output, forward, xt, t));
        } finally {
          if (output !== xt) output.dispose();
        }
      };
      return whenAnswered(
        () => denoiser(xt, told, condition),
        answer,
        () => told.dispose(),
      );
    },
  };
}

// Of e to its negative nothing is left in float32, however large the logits.
const IMPOSSIBLE = 1e9;

function categoricalEvaluation(
  forward: CategoricalDiffusion,
  xt: tf.Tensor,
  t: PerExample,
  probabilities: tf.Tensor,
): Evaluation<Categorical> {
  return {
    x0: () => tf.tidy(() => forward.posteriorOver(probabilities, xt, t, forward.schedule.start).mode()),
    to: (s) => forward.posteriorOver(probabilities, xt, t, s),
    dispose: () => probabilities.dispose(),
  };
}

/** p_θ(x_0 | x_t), of which the network has no say in what x_t rules out. */
function probabilitiesOf(
  output: tf.Tensor,
  { classes, possible }: CategoricalDiffusion,
  xt: tf.Tensor,
  t: PerExample,
): tf.Tensor {
  if (output.size !== classes * xt.size || output.shape[0] !== xt.shape[0]) {
    throw new RangeError(
      `the denoiser must return ${classes} logits for each element of xt of shape [${xt.shape}], not shape [${output.shape}]`,
    );
  }
  return tf.tidy(() => {
    const logits = tf.reshape(output, [...xt.shape, classes]);
    // In logits, since what is left would be 0 / 0 where the network gave nothing to it: of what is not masked it learns nothing.
    return tf.softmax(tf.add(logits, tf.mul(tf.sub(possible(xt, t), 1), IMPOSSIBLE)));
  });
}
