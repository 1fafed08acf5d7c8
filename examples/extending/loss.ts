// A loss: the pseudo-Huber distance of x̂_0 (Song & Dhariwal 2023), √(d² + c²) − c. A loss sees the process, the data, their
// times and the noise, and returns one value for each example.

import '@tensorflow/tfjs-backend-cpu';
import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import type { Loss } from '@diffusion-ts/losses';
import { mlp } from '@diffusion-ts/models';
import { atOnce, fixedSmall, reverseProcess, vPrediction } from '@diffusion-ts/reverse-process';
import { cosine } from '@diffusion-ts/schedules';
import { rng } from '@diffusion-ts/tensor';
import { adamW, constantRate, initialState, train } from '@diffusion-ts/training';
import * as tf from '@tensorflow/tfjs-core';

export function pseudoHuber({ c }: { c: number }): Loss {
  return ({ reverse, x0, t, noise, condition }) =>
    tf.tidy(() => {
      const xt = reverse.forward.sample(x0, t, noise);
      const found = atOnce(reverse.evaluate(xt, t, condition)).x0();
      const squares = tf.sum(tf.square(tf.sub(found, x0)), 1);
      return { perExample: tf.sub(tf.sqrt(tf.add(squares, c ** 2)), c) as tf.Tensor1D };
    });
}

// All data are the point (1, −1): learned in a moment.
const forward = gaussianDiffusion(cosine({ steps: 100 }));
const model = mlp({ dimensions: 2, hidden: 16, layers: 1, timeFeatures: 8 });
const losses: number[] = [];
const run = train({
  state: initialState(model.init(rng(0))),
  reverse: (params) =>
    reverseProcess({
      forward,
      denoiser: (xt, told) => model.apply(params, xt, told),
      predicts: vPrediction,
      variance: fixedSmall,
    }),
  loss: pseudoHuber({ c: 0.03 }),
  batches: async function* () {
    const x0 = tf.tile(tf.tensor2d([[1, -1]]), [32, 1]);
    for (;;) yield { x0 };
  },
  rng: rng(1),
  steps: 100,
  learningRate: constantRate(2e-2),
  optimizer: adamW({ maxGradNorm: 1 }),
});
for await (const { loss } of run) losses.push(loss);
console.log(losses.at(-1)! < 0.2 * losses[0]!); // true
