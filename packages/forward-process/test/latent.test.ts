import { linear, varianceExploding } from '@diffusion-ts/schedules';
import { rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { it } from 'vitest';
import { gaussianDiffusion, latent } from '../src/index.js';

onEachBackend(() => {
  it('is drawn from the prior: the normal numbers of the source, times σ_T where noise explodes', () => {
    const normal = rng(4).normal([3, 2]);
    const exactly = { relative: 0, absolute: 0 };
    expectAllClose(latent(gaussianDiffusion(linear({ steps: 50 })), rng(4), [3, 2]), normal, exactly);
    const exploding = gaussianDiffusion(varianceExploding({ sigmaMax: 64 }));
    expectAllClose(latent(exploding, rng(4), [3, 2]), tf.mul(normal, 64));
  });

  it('leaves no tensor behind', () =>
    expectNoLeak(() => latent(gaussianDiffusion(linear({ steps: 50 })), rng(4), [3, 2])));
});
