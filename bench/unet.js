// The reference U-Net on the active backend of tfjs.

import { unet } from '@diffusion-ts/models';
import { adamWStep } from '@diffusion-ts/ops';
import { disposeParams, mapParams, rng, valueAndGrad } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { referenceUnet } from './cases.js';
import { measure, wanted } from './measure.js';

const model = unet(referenceUnet);

/** The network ready to be used: `forward(batch)` and `step(batch)`, a step of training, each on inputs made before. */
export function networkUnderTest() {
  const fresh = model.init(rng(1));
  const zeros = () => mapParams(fresh, (p) => tf.zerosLike(p));
  let state = { params: fresh, m: zeros(), v: zeros(), ema: mapParams(fresh, (p) => tf.clone(p)) };
  let step = 0;
  const inputs = new Map();
  const inputsOf = (batch) => {
    if (!inputs.has(batch)) {
      const x = rng(1).normal([batch, 28, 28, 1]);
      const indices = Array.from({ length: batch }, (_, i) => i);
      inputs.set(batch, { x, t: tf.tensor1d(indices, 'int32') });
    }
    return inputs.get(batch);
  };
  return {
    forward(batch) {
      const { x, t } = inputsOf(batch);
      tf.tidy(() => model.apply(state.params, x, t).dataSync());
    },
    step(batch) {
      const { x, t } = inputsOf(batch);
      const { value, grads } = valueAndGrad((p) => tf.mean(tf.square(tf.sub(model.apply(p, x, t), x))))(
        state.params,
      );
      const next = adamWStep({
        params: state.params,
        grads,
        m: state.m,
        v: state.v,
        step: ++step,
        learningRate: 1e-4,
        betas: [0.9, 0.999],
        epsilon: 1e-8,
        weightDecay: 0.01,
        maxGradNorm: 1,
        ema: { params: state.ema, decay: 0.99 },
      });
      value.dataSync();
      for (const tree of [grads, ...Object.values(state)]) disposeParams(tree);
      tf.dispose([value, next.norms]);
      state = { params: next.params, m: next.m, v: next.v, ema: next.ema };
    },
  };
}

/** Measures forward passes and steps of training at the given sizes of the batch. */
export async function measureUnet({ forward, step }) {
  const network = networkUnderTest();
  // What takes steps by the thousand is compiled JavaScript: small ones let the engine compile it.
  for (let i = 0; i < 30 && step.some((batch) => wanted(`unet step ${batch}`)); i++) network.step(1);
  for (let i = 0; i < 30 && forward.some((batch) => wanted(`unet forward ${batch}`)); i++) network.forward(1);
  for (const batch of forward) await measure(`unet forward ${batch}`, () => network.forward(batch));
  for (const batch of step) await measure(`unet step ${batch}`, () => network.step(batch));
}
