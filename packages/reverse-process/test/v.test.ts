import { cosine } from '@diffusion-ts/schedules';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { it } from 'vitest';
import { vFromX0 } from '../src/index.js';

const schedule = cosine({ steps: 20 });

onEachBackend(() => {
  it('v is the rate of x_t along the circle of signal and noise: −sin φ x_0 + cos φ ε with cos φ = √ᾱ', () => {
    const angles = Array.from(schedule.alphaBars, (alphaBar) => Math.acos(Math.sqrt(alphaBar)));
    const t = tf.range(0, 20, 1, 'int32');
    const v = vFromX0(schedule, tf.fill([20, 1], 0.7), t, tf.fill([20, 1], -1.3));
    expectAllClose(
      v,
      angles.map((phi) => -Math.sin(phi) * 0.7 - Math.cos(phi) * 1.3),
    );
  });

  it('leaves no tensor behind', () => {
    const x = tf.ones([2, 3]);
    const t = tf.tensor1d([3, 5], 'int32');
    return expectNoLeak(() => vFromX0(schedule, x, t, x));
  });
});
