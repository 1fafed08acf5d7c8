import { createRequire } from 'node:module';
import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { linear } from '@diffusion-ts/schedules';
import { type Denoiser, rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import * as web from 'onnxruntime-web';
import { describe, expect, it } from 'vitest';
import { atOnce, fixedLarge, PREDICTIONS, reverseProcess } from '../src/index.js';
import { affineModel } from './onnx-model.js';

const WEIGHT = [0.5, -0.25, 1, 0.125, 0.75, -1.5, 2, 0, 0.25];
const BIAS = [0.001, -0.002, 0.003];
const xt = () => rng(1).normal([4, 3]);
const t = Float64Array.of(1, 20.5, 49, 99);
const s = Float64Array.of(-1, 3, 48, 10);
const forward = gaussianDiffusion(linear({ steps: 100 }));

/** The same network, computed here. */
const closedForm: Denoiser = (x, told) =>
  tf.tidy(() =>
    tf.add(
      tf.matMul(x as tf.Tensor2D, tf.tensor2d(WEIGHT, [3, 3])),
      tf.mul(tf.expandDims(told, 1), tf.tensor1d(BIAS)),
    ),
  );

/** What a user writes: the numbers of x_t go out, those of the answer come in. */
function onnxDenoiser(ort: typeof web, session: web.InferenceSession): Denoiser {
  return async (xt, told) => {
    const [x, t] = await Promise.all([xt.data<'float32'>(), told.data<'float32'>()]);
    const { y } = await session.run({
      x: new ort.Tensor('float32', x, xt.shape),
      t: new ort.Tensor('float32', t, [t.length, 1]),
    });
    return tf.tensor(y!.data as Float32Array, xt.shape);
  };
}

// onnxruntime-node has the same interface, but weighs 300 MB, and so is not among the dependencies: where bench/peers is
// installed the same is asked of it.
function installedPeer(name: string): typeof web | undefined {
  const require = createRequire(new URL('../../../bench/peers/package.json', import.meta.url));
  try {
    return require(name) as typeof web;
  } catch {
    return undefined;
  }
}
const node = installedPeer('onnxruntime-node');

describe.each([
  ['onnxruntime-web', web],
  ['onnxruntime-node', node],
])('a session of %s', (name, ort) => {
  describe.skipIf(ort === undefined)(ort === undefined ? `${name} (not installed)` : 'is a network', () => {
    const started = async (): Promise<Denoiser> => {
      web.env.wasm.numThreads = 1;
      const session = await ort!.InferenceSession.create(affineModel(WEIGHT, BIAS));
      return onnxDenoiser(ort!, session);
    };
    const process = (denoiser: Denoiser) =>
      reverseProcess({ forward, denoiser, predicts: PREDICTIONS.epsilon, variance: fixedLarge });

    onEachBackend(() => {
      it('that answers as the same network computed here', async () => {
        const answer = process(await started()).evaluate(xt(), t);
        expect(answer).toBeInstanceOf(Promise);
        const [there, here] = [await answer, atOnce(process(closedForm).evaluate(xt(), t))];
        expectAllClose(there.epsilon(), here.epsilon());
        expectAllClose(there.x0(), here.x0(), { absolute: 1e-5 });
        expectAllClose(there.to(s).mean, here.to(s).mean, { absolute: 1e-5 });
        expect(there.to(s).logVariance).toEqual(here.to(s).logVariance);
      });

      it('and leaves no tensor behind', async () => {
        const reverse = process(await started());
        const x = xt();
        await expectNoLeak(async () => {
          const evaluation = await reverse.evaluate(x, t);
          evaluation.dispose();
        });
        expect(x.isDisposed).toBe(false);
      });

      it('and cannot be trained through', async () => {
        const reverse = process(await started());
        expect(() => atOnce(reverse.evaluate(xt(), t))).toThrow(/answers with a promise/);
      });
    });
  });
});
