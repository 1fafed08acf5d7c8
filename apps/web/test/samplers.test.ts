import { useWasm } from '@diffusion-ts/backend-wasm';
import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { reverseProcess } from '@diffusion-ts/reverse-process';
import * as samplers from '@diffusion-ts/samplers';
import { linear } from '@diffusion-ts/schedules';
import { finish, rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { SAMPLERS } from '../src/worker/samplers.js';

it('what the lab takes from the package for a sampler is one: it draws, in as many steps as it is told', async () => {
  await useWasm();
  expect(Object.keys(SAMPLERS).length).toBeGreaterThanOrEqual(3);
  const reverse = reverseProcess({
    forward: gaussianDiffusion(linear({ steps: 50 })),
    denoiser: (xt) => tf.mul(xt, 0.5),
    predicts: 'epsilon',
    variance: 'fixedSmall',
  });
  for (const [name, make] of Object.entries(SAMPLERS)) {
    const steps: number[] = [];
    const walk = make({ steps: 5 })(reverse, rng(0).normal([2, 2]), { rng: rng(1) });
    const images = await finish(walk, ({ index }) => steps.push(index));
    expect(steps, name).toEqual([0, 1, 2, 3, 4]);
    expect(images.shape, name).toEqual([2, 2]);
  }
});

it('what the lab leaves out of the package is known to be no sampler', () => {
  const left = Object.entries(samplers).filter(
    ([name, value]) => typeof value === 'function' && !(name in SAMPLERS),
  );
  expect(left.map(([name]) => name).toSorted()).toEqual(['ddimInversion', 'guided']);
});
