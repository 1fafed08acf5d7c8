import { type Gaussian, gaussian, logVarianceTensor } from '@diffusion-ts/forward-process';
import type { ReverseProcess } from '@diffusion-ts/reverse-process';
import * as tf from '@tensorflow/tfjs-core';

/** Pixels that are known already: of one image, where `mask` is 1. */
export interface KnownPixels {
  readonly image: Float32Array;
  readonly mask: Float32Array;
}

/**
 * The process with some pixels known. Any sampler moves those as the forward process would have, by q(x_s | x_t, x_0), and
 * the network sees them at every step; of the others it says what it always says.
 */
export function knowing(process: ReverseProcess, { image, mask }: KnownPixels): ReverseProcess {
  return {
    ...process,
    async evaluate(xt, t, condition) {
      const evaluation = await process.evaluate(xt, t, condition);
      const one = [1, ...xt.shape.slice(1)];
      const truth = (): tf.Tensor => tf.broadcastTo(tf.tensor(image, one), xt.shape);
      const either = (known: tf.Tensor, unknown: tf.Tensor): tf.Tensor =>
        tf.where(tf.tensor(mask, one, 'bool'), known, unknown);
      return {
        x0: () => tf.tidy(() => either(truth(), evaluation.x0())),
        to: (s) =>
          tf.tidy(() => {
            const q = process.forward.posterior(truth(), xt, t, s);
            const p = evaluation.to(s);
            return gaussian({
              mean: either(q.mean, p.mean),
              logVariance: either(logVarianceTensor(q), logVarianceTensor(p)),
            }) as Gaussian & tf.NamedTensorMap;
          }),
        dispose: () => evaluation.dispose(),
      };
    },
  };
}
