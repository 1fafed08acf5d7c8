import { describe, expect, it } from 'vitest';
import { odeBits } from '../src/runs/ode-bits.js';

type Options = Parameters<typeof odeBits>[0];

/** What is looked at before any work. */
function given(kind: string, noise: string, built: object = {}): Options {
  const network = { shape: [2] };
  const config = { data: { kind }, process: { noise } };
  return { config, built: { network, ...built }, dataset: { shape: [2], size: 1 } } as unknown as Options;
}

describe('the likelihood by the probability flow', () => {
  it.each([
    [given('names', 'uniform'), '--ode is for images and points: classes have no probability flow.'],
    [given('mnist', 'uniform'), '--ode is for images and points: classes have no probability flow.'],
    [given('heartbeat', 'absorbing'), '--ode is for images and points: classes have no probability flow.'],
    [
      given('latents', 'gaussian'),
      '--ode is for images and points: latents are not what their bits would be counted of.',
    ],
    [
      given('mnist', 'gaussian', { latentShape: [4] }),
      '--ode is for images and points: latents are not what their bits would be counted of.',
    ],
    [
      given('mnist', 'gaussian', { classifier: {} }),
      '--ode is for runs that draw: a classifier has no density.',
    ],
  ])('is refused in one sentence where there is none, before any work', async (options, sentence) => {
    await expect(odeBits(options)).rejects.toThrow(sentence);
  });
});
