import { rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import type { Declare } from '../src/model.js';
import { timeEmbedding } from '../src/time-embedding.js';
import { acceptsClasses, toldEmbedding } from '../src/told-embedding.js';

const waves = { size: 4, cosineFirst: false, shift: 0, outputs: 3 };

/** The embedding with random parameters. */
function embeddingOf(classes: number | null) {
  const params: Record<string, tf.Tensor> = {};
  const declare: Declare = (name, shape, initial) => {
    params[name] ??= initial(rng(1).fork(name), [...shape]);
    return <T>(p: Record<string, tf.Tensor>) => p[name] as T;
  };
  const embed = toldEmbedding(declare, { ...waves, classes });
  return { params, embed, embedTime: timeEmbedding(declare, 'time_embedding', waves) };
}

it('whoever knows classes accepts a label below their number', () => {
  expect(acceptsClasses(4)).toEqual({ label: { shape: [], dtype: 'int32', below: 4 } });
  expect(acceptsClasses(null)).toEqual({});
});

onEachBackend(() => {
  it('is SiLU of the embedded time plus the row of the table for the label', () => {
    tf.tidy(() => {
      const { params, embed, embedTime } = embeddingOf(4);
      const told = tf.tensor1d([3, 0.5]);
      const table = params['class_embedding.weight'] as tf.Tensor2D;
      const sum = tf.add(embedTime(params, told), tf.gather(table, tf.tensor1d([2, 0], 'int32')));
      const label = tf.tensor1d([2, 0], 'int32');
      expectAllClose(embed(params, told, { label }), tf.mul(sum, tf.sigmoid(sum)));
    });
  });

  it('is SiLU of the embedded time alone where no classes are known', () => {
    tf.tidy(() => {
      const { params, embed, embedTime } = embeddingOf(null);
      const told = tf.tensor1d([3, 0.5]);
      const time = embedTime(params, told);
      expectAllClose(embed(params, told, {}), tf.mul(time, tf.sigmoid(time)));
      expect(params['class_embedding.weight']).toBeUndefined();
    });
  });

  it('leaves no tensors behind', async () => {
    const { params, embed } = embeddingOf(2);
    const told = tf.tensor1d([3]);
    const label = tf.tensor1d([1], 'int32');
    await expectNoLeak(() => tf.tidy(() => embed(params, told, { label })));
    tf.dispose([params, told, label]);
  });
});
