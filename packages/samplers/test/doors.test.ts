import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { epsilonPrediction, fixedSmall, reverseProcess } from '@diffusion-ts/reverse-process';
import { linear, trailing } from '@diffusion-ts/schedules';
import { finish, rng } from '@diffusion-ts/tensor';
import { useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { SAMPLERS } from '../src/index.js';

// What JavaScript lets through, refused in the words of whoever called.
beforeAll(() => useBackend('cpu'));

const reverse = reverseProcess({
  forward: gaussianDiffusion(linear({ steps: 30 })),
  denoiser: (xt) => tf.mul(0, xt),
  predicts: epsilonPrediction,
  variance: fixedSmall,
});
const any = <T>(value: unknown): T => value as T;

it.each(Object.entries(SAMPLERS))(
  '%s names the argument that is none, before a step is taken',
  async (_, { make }) => {
    const sampler = make({ times: trailing(3) });
    const options = { rng: rng(0) };
    const xT = tf.ones([2, 3]);
    expect(() => make({ times: any(5) })(reverse, xT, options)).toThrow(
      new TypeError('times must be a list of times, such as trailing(20) or times([…]), not 5'),
    );
    for (const [other, said] of [
      [undefined, 'undefined'],
      [{}, 'an object'],
    ] as const)
      expect(() => sampler(any(other), xT, options)).toThrow(
        new TypeError(`reverse must be a reverse process, such as reverseProcess(…), not ${said}`),
      );
    await expect(finish(sampler(reverse, any([1]), options))).rejects.toThrow(
      new TypeError('xT must be a tensor, not an array'),
    );
    xT.dispose();
    await expect(finish(sampler(reverse, xT, options))).rejects.toThrow(
      new TypeError('xT is disposed: what it held is gone'),
    );
  },
);

it('a sampler that draws names what it was given to draw from', () => {
  expect(() => SAMPLERS.ancestral!.make({})(reverse, tf.ones([1]), { rng: any(0) })).toThrow(
    new TypeError('options.rng is 0, and this sampler draws noise: give it one, such as rng(0)'),
  );
});
