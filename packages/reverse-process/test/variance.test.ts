import { linear } from '@diffusion-ts/schedules';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { logVariance } from '../src/variance.js';

const schedule = linear({ steps: 50 });
const { betas, posteriorVariance } = schedule;

onEachBackend(() => {
  const t = () => tf.tensor1d([0, 1, 49], 'int32');
  const raw = (value: number) => tf.fill([3, 1], value);

  it('fixedSmall is β̃_t, and β̃ of index 1 at index 0', () => {
    const values = logVariance(schedule, 'fixedSmall', t(), 2, undefined);
    expect(values.shape).toEqual([3, 1]);
    expectAllClose(tf.exp(values), [posteriorVariance[1]!, posteriorVariance[1]!, posteriorVariance[49]!]);
  });

  it('fixedLarge is β_t, and β̃ of index 1 at index 0', () => {
    const values = logVariance(schedule, 'fixedLarge', t(), 4, undefined);
    expect(values.shape).toEqual([3, 1, 1, 1]);
    expectAllClose(tf.exp(values), [posteriorVariance[1]!, betas[1]!, betas[49]!]);
  });

  it('learned is the logarithm that the network says', () => {
    expectAllClose(logVariance(schedule, 'learned', t(), 2, raw(-3.5)), [-3.5, -3.5, -3.5]);
  });

  it('learnedRange is β̃_t at −1, β_t at 1 and their geometric mean at 0', () => {
    const at = (value: number) => tf.exp(logVariance(schedule, 'learnedRange', t(), 2, raw(value)));
    const small = [posteriorVariance[1]!, posteriorVariance[1]!, posteriorVariance[49]!];
    const large = [betas[0]!, betas[1]!, betas[49]!];
    expectAllClose(at(-1), small);
    expectAllClose(at(1), large);
    expectAllClose(
      at(0),
      small.map((variance, i) => Math.sqrt(variance * large[i]!)),
    );
  });

  it('refuses a learned variance that the network did not give', () => {
    expect(() => logVariance(schedule, 'learned', t(), 2, undefined)).toThrow(
      new TypeError('output.variance is missing: the variance is learned'),
    );
  });

  it('leaves no tensor behind', async () => {
    const [index, value] = [t(), raw(0)];
    for (const variance of ['fixedSmall', 'fixedLarge', 'learned', 'learnedRange'] as const) {
      await expectNoLeak(() => logVariance(schedule, variance, index, 2, value));
    }
  });
});
