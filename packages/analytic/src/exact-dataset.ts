import { checkTensor, type Rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { mixtureOf } from './components.js';
import { type ExactDistribution, exactDistribution } from './exact-distribution.js';

/** A finite set of examples, each as likely as another; `xt` is `[batch, …]` of their shape. */
export interface ExactDataset extends ExactDistribution {
  /** x_0 as `[count, …]`, drawn from the examples. */
  sample(rng: Rng, count: number): tf.Tensor;
}

/**
 * The data that a network really sees: these examples and no others. What squared error asks of it is
 * E[x_0 | x_t] = Σ x_i softmax_i(−‖x_t − α x_i‖²/2σ²), the optimal denoiser (Karras et al. 2022, appendix B.3), and whoever
 * draws with it gets one of the examples back: all that is new in a diffusion model's samples is what its network does
 * otherwise. An evaluation holds batch × examples × numbers of an example.
 * @param x0 the examples, `[count, …]`, copied.
 * @throws TypeError if x0 is no tensor, RangeError if it has no examples; when asked, RangeError at the time of the data,
 * where there is no noise, or about other shapes.
 */
export function exactDataset(x0: tf.Tensor): ExactDataset {
  checkTensor('x0', x0);
  const [count = 0, ...shape] = x0.shape;
  if (x0.size === 0) throw new RangeError(`x0 must hold examples, [count, …], not shape [${x0.shape}]`);
  const mixture = mixtureOf({
    weights: new Array<number>(count).fill(1 / count),
    means: Float32Array.from(x0.dataSync()),
    deviations: new Array<number>(count).fill(0),
  });
  const rows = [-1, mixture.dimension];
  return {
    ...exactDistribution((quantity, schedule, xt, t) => {
      if (String(xt.shape.slice(1)) !== String(shape)) {
        throw new RangeError(`xt must have shape [${['batch', ...shape].join(', ')}], not [${xt.shape}]`);
      }
      return tf.tidy(() =>
        tf.reshape(mixture.expectation(quantity, schedule, tf.reshape(xt, rows), t), xt.shape),
      );
    }),
    sample: (rng, size) => tf.tidy(() => tf.reshape(mixture.sample(rng, size), [size, ...shape])),
  };
}
