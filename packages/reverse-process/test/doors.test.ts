import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { linear } from '@diffusion-ts/schedules';
import { useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { epsilonPrediction, fixedSmall, type ReverseProcessOptions, reverseProcess } from '../src/index.js';

// What JavaScript lets through, refused in the words of whoever called.
beforeAll(() => useBackend('cpu'));

const forward = gaussianDiffusion(linear({ steps: 30 }));
const processOf = (options: object) =>
  reverseProcess({
    forward,
    denoiser: (xt) => tf.clone(xt),
    predicts: epsilonPrediction,
    variance: fixedSmall,
    ...options,
  } as ReverseProcessOptions);

it.each([
  [{ predicts: 'eps' }, 'predicts must be a prediction, such as vPrediction or PREDICTIONS.v, not eps'],
  [
    { variance: {} },
    'variance must be a variance, such as fixedSmall or VARIANCES.fixedSmall, not an object',
  ],
  [{ denoiser: 5 }, 'denoiser must be a function of (xt, told, condition), not 5'],
  [
    { forward: linear({ steps: 30 }) },
    'forward must be a process, such as gaussianDiffusion(cosine({ steps: 1000 })), not an object',
  ],
])('an option that is none is refused by its name: %j', (options, message) => {
  expect(() => processOf(options)).toThrow(new TypeError(message));
});

it('what is no tensor, or a disposed one, is called by its name, and nothing stays behind', () => {
  const process = processOf({});
  const dead = tf.ones([2, 3]);
  const x = tf.ones([2, 3]);
  dead.dispose();
  const before = tf.memory().numTensors;
  const gone = (name: string) => new TypeError(`${name} is disposed: what it held is gone`);
  expect(() => process.evaluate(dead, 3)).toThrow(gone('xt'));
  expect(() => process.target(x, 3, dead)).toThrow(gone('noise'));
  expect(() => forward.sample(dead, 3, x)).toThrow(gone('x0'));
  expect(() => forward.posterior(x, dead, 3, 1)).toThrow(gone('xt'));
  expect(() => forward.sample([1] as unknown as tf.Tensor, 3, x)).toThrow(
    new TypeError('x0 must be a tensor, not an array'),
  );
  for (const [answer, said] of [
    [3, '3'],
    [undefined, 'undefined'],
  ] as const)
    expect(() => processOf({ denoiser: () => answer }).evaluate(x, 3)).toThrow(
      new TypeError(`what the denoiser returned must be a tensor, not ${said}`),
    );
  expect(tf.memory().numTensors).toBe(before);
});

it('a schedule that is none is refused by its name', () => {
  expect(() => gaussianDiffusion(undefined as never)).toThrow(
    new TypeError('schedule must be a noise schedule, such as cosine({ steps: 1000 }), not undefined'),
  );
});
