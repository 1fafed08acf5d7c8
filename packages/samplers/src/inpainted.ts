import { type Gaussian, gaussian, logVarianceTensor } from '@diffusion-ts/forward-process';
import type { Evaluation, ReverseProcess } from '@diffusion-ts/reverse-process';
import { checkTensor } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';

/** What is there of an image already. Both are broadcast to the samples, and remain the caller's. */
export interface KnownPixels {
  /** x_0, `[batch, …]`, or one row for all. */
  readonly image: tf.Tensor;
  /** bool: true where the image is to stay, false where it is to be made. */
  readonly known: tf.Tensor;
}

/**
 * Inpainting by replacement (Song et al. 2021, appendix I.2): what is known of x_t moves as the forward process would have it,
 * by q(x_s | x_t, x_0), so that it is the noised image at every step of any sampler, a deterministic one too, and the image
 * itself in the end; of the rest the process says what it always says, seeing what is known. What is made does not see the
 * noise to come of what is known, and fits it the worse for that: `repaint` mends it.
 *
 * @throws TypeError if one of the two is no tensor, RangeError if `known` is not bool; when evaluated, RangeError if they
 * cannot be broadcast to x_t.
 * @example
 * // The upper half of a digit is given.
 * const known = tf.concat([tf.ones([1, 14, 28, 1], 'bool'), tf.zeros([1, 14, 28, 1], 'bool')], 1);
 * const x0 = await finish(repaint({ times: trailing(50) })(inpainted(reverse, { image, known }), xT, { rng: rng(0) }));
 */
export function inpainted(reverse: ReverseProcess, { image, known }: KnownPixels): ReverseProcess {
  checkTensor('image', image);
  checkTensor('known', known);
  if (known.dtype !== 'bool')
    throw new RangeError(`known must be bool, true where to stay, not ${known.dtype}`);
  return {
    ...reverse,
    evaluate(xt, t, condition) {
      for (const [name, { shape }] of Object.entries({ image, known })) checkFits(name, shape, xt.shape);
      const truth = (): tf.Tensor => tf.broadcastTo(image, xt.shape);
      const either = (there: tf.Tensor, made: tf.Tensor): tf.Tensor =>
        tf.where(tf.broadcastTo(known, xt.shape), there, made);
      const withKnown = (evaluation: Evaluation): Evaluation => ({
        x0: () => tf.tidy(() => either(truth(), evaluation.x0())),
        to: (s) =>
          tf.tidy(() => {
            const [q, p] = [reverse.forward.posterior(truth(), xt, t, s), evaluation.to(s)];
            const spread = (of: Gaussian): tf.Tensor => tf.mul(tf.onesLike(of.mean), logVarianceTensor(of));
            return gaussian({
              mean: either(q.mean, p.mean),
              logVariance: either(spread(q), spread(p)),
            }) as Gaussian & tf.NamedTensorMap;
          }),
        dispose: () => evaluation.dispose(),
      });
      const evaluation = reverse.evaluate(xt, t, condition);
      return evaluation instanceof Promise ? evaluation.then(withKnown) : withKnown(evaluation);
    },
  };
}

function checkFits(name: string, shape: readonly number[], expected: readonly number[]): void {
  if (shape.length === expected.length && shape.every((n, axis) => n === 1 || n === expected[axis])) return;
  throw new RangeError(`${name} must be like the samples, [${expected}], or 1 along an axis, not [${shape}]`);
}
