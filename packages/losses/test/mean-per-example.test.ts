import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { it } from 'vitest';
import { meanPerExample } from '../src/mean-per-example.js';

onEachBackend(() => {
  it('averages everything but the first axis, whatever the rank', () => {
    for (const shape of [[6], [6, 1], [2, 3], [2, 1, 3], [2, 3, 1, 1]]) {
      const means = meanPerExample(tf.reshape(tf.range(1, 7), shape));
      expectAllClose(means, shape[0] === 6 ? [1, 2, 3, 4, 5, 6] : [2, 5]);
    }
  });

  it('leaves no tensor behind', () => {
    const x = tf.ones([2, 3]);
    return expectNoLeak(() => meanPerExample(x));
  });
});
