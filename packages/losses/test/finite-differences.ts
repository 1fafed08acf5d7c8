import { type Params, valueAndGrad } from '@diffusion-ts/tensor';
import { expectAllClose } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';

/**
 * Asserts that the gradient of `f` at these scalar parameters is its slope, taken by central differences of fourth order.
 */
export function expectGradient(
  f: (params: Params) => tf.Scalar,
  at: Readonly<Record<string, number>>,
  { step = 0.02, relative = 2e-3, absolute = 1e-4 } = {},
): void {
  const params = Object.fromEntries(Object.entries(at).map(([name, x]) => [name, tf.scalar(x)]));
  const { grads } = valueAndGrad(f)(params);
  for (const [name, x] of Object.entries(at)) {
    const value = (shift: number): number =>
      tf.tidy(() => f({ ...params, [name]: tf.scalar(x + shift) }).dataSync()[0]!);
    const slope = (8 * (value(step) - value(-step)) - (value(2 * step) - value(-2 * step))) / (12 * step);
    expectAllClose(grads[name]!, slope, { relative, absolute });
  }
}
