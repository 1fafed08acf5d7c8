import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { reverseProcess } from '@diffusion-ts/reverse-process';
import { linear } from '@diffusion-ts/schedules';
import { type Denoiser, rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { ddim, guided } from '../src/index.js';
import { exact, finish } from './gaussian-data.js';

const noClass = 3;

/** Says `label` in every element. */
const sayLabel: Denoiser = (xt, _t, condition) =>
  tf.add(tf.zerosLike(xt), tf.reshape(tf.cast(condition!.labels!, 'float32'), [-1, 1]));

onEachBackend(() => {
  test('the output is (1 + w) · conditional − w · unconditional', () => {
    tf.tidy(() => {
      const xt = tf.zeros([3, 2]);
      const t = tf.tensor1d([5, 5, 5], 'int32');
      const labels = tf.tensor1d([0, 2, noClass], 'int32');
      for (const scale of [-1, 0, 0.5, 4]) {
        const output = guided(sayLabel, { scale, unconditional: noClass })(xt, t, { labels });
        const expected = [0, 2, 3].map((label) => (1 + scale) * label - scale * noClass);
        expectAllClose(
          output,
          expected.flatMap((value) => [value, value]),
        );
      }
    });
  });

  test('both halves are evaluated at once, in a batch of twice the size', () => {
    const seen: number[][] = [];
    const network: Denoiser = (xt, t, condition) => {
      seen.push([...xt.dataSync()], [...t.dataSync()], [...condition!.labels!.dataSync()]);
      return xt;
    };
    tf.tidy(() => {
      const labels = tf.tensor1d([1, 0], 'int32');
      guided(network, { scale: 1, unconditional: noClass })(
        tf.tensor2d([[7], [8]]),
        tf.tensor1d([4, 9], 'int32'),
        {
          labels,
        },
      );
    });
    expect(seen).toEqual([
      [7, 8, 7, 8],
      [4, 9, 4, 9],
      [1, 0, noClass, noClass],
    ]);
  });

  test('a learned variance is that of the conditional half, unguided', () => {
    const network: Denoiser = (xt, t, condition) =>
      tf.concat([sayLabel(xt, t, condition), sayLabel(xt, t, condition)], -1);
    tf.tidy(() => {
      const labels = tf.tensor1d([1], 'int32');
      const output = guided(network, { scale: 2, unconditional: noClass })(
        tf.zeros([1, 2]),
        tf.tensor1d([0], 'int32'),
        { labels },
      );
      expectAllClose(output, [1 * 3 - 2 * 3, 1 * 3 - 2 * 3, 1, 1]);
    });
  });

  test('guiding ε and guiding v are the same thing', () => {
    const schedule = linear({ steps: 50 });
    // Two unit-variance Gaussians of means −1 and 1 are the classes; their exact ε̂ given the label, and without.
    const parts = (
      xt: tf.Tensor,
      t: tf.Tensor1D,
      labels: tf.Tensor1D,
    ): { x0: tf.Tensor; epsilon: tf.Tensor } => {
      const alphaBar = schedule.alphaBars[t.dataSync()[0]!]!;
      const { x0OfXt, epsilonOfXt } = exact(alphaBar, 1);
      const mean = tf.reshape(tf.sub(tf.cast(labels, 'float32'), 1), [-1, 1]);
      const centred = tf.sub(xt, tf.mul(Math.sqrt(alphaBar), mean));
      return { x0: tf.add(mean, tf.mul(x0OfXt, centred)), epsilon: tf.mul(epsilonOfXt, centred) };
    };
    const networks: Record<'epsilon' | 'v', Denoiser> = {
      epsilon: (xt, t, condition) => parts(xt, t, condition!.labels!).epsilon,
      v: (xt, t, condition) => {
        const { x0, epsilon } = parts(xt, t, condition!.labels!);
        const alphaBar = schedule.alphaBars[t.dataSync()[0]!]!;
        return tf.sub(tf.mul(Math.sqrt(alphaBar), epsilon), tf.mul(Math.sqrt(1 - alphaBar), x0));
      },
    };
    tf.tidy(() => {
      const xt = rng(1).normal([2, 4]);
      const t = tf.tensor1d([30, 30], 'int32');
      const labels = tf.tensor1d([0, 2], 'int32');
      const [ofEpsilon, ofV] = (['epsilon', 'v'] as const).map((predicts) =>
        reverseProcess({
          forward: gaussianDiffusion(schedule),
          denoiser: guided(networks[predicts], { scale: 1.5, unconditional: 1 }),
          predicts,
          variance: 'fixedSmall',
        }).predict(xt, t, { labels }),
      );
      expectAllClose(ofV!.x0, ofEpsilon!.x0, { absolute: 1e-4 });
      expectAllClose(ofV!.epsilon, ofEpsilon!.epsilon, { absolute: 1e-4 });
    });
  });

  test('a sampler draws what the guided network of its reverse process says', async () => {
    const reverse = reverseProcess({
      forward: gaussianDiffusion(linear({ steps: 50 })),
      denoiser: sayLabel,
      predicts: 'x0',
      variance: 'fixedSmall',
    });
    const labels = tf.tensor1d([0, 1, 2], 'int32');
    const xT = rng(1).normal([3, 2]);
    const steered = reverseProcess({
      ...reverse,
      denoiser: guided(reverse.denoiser, { scale: 1, unconditional: noClass }),
    });
    const x0 = await finish(ddim({ steps: 5 })(steered, xT, { rng: rng(2), condition: { labels } }));
    expectAllClose(x0, [-3, -3, -1, -1, 1, 1]);
    tf.dispose([labels, xT, x0]);
  });

  test('it leaves no tensor behind', async () => {
    await expectNoLeak(() => {
      const xt = tf.zeros([1, 2]);
      const t = tf.tensor1d([0], 'int32');
      const labels = tf.tensor1d([1], 'int32');
      return [xt, t, labels, guided(sayLabel, { scale: 2, unconditional: noClass })(xt, t, { labels })];
    });
  });

  test('without labels there is nothing to guide to, and it says so', () => {
    const network = guided(sayLabel, { scale: 1, unconditional: noClass });
    tf.tidy(() => {
      expect(() => network(tf.zeros([1, 2]), tf.tensor1d([0], 'int32'))).toThrow(
        /condition\.labels is missing/,
      );
    });
  });
});

test('a scale that is not finite and a label that is not whole are refused', () => {
  expect(() => guided(sayLabel, { scale: Number.NaN, unconditional: 3 })).toThrow(/scale must be/);
  expect(() => guided(sayLabel, { scale: 1, unconditional: 1.5 })).toThrow(/unconditional must be/);
});
