import { unet } from '@diffusion-ts/models';
import { conv2d } from '@diffusion-ts/ops';
import { disposeParams, rng, valueAndGrad } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { useWasm } from '../src/index.js';

beforeAll(() => useWasm());

/** Bytes of the backend's memory: it can only grow. */
function bytes(): number {
  const { wasm } = tf.backend() as unknown as { wasm: { HEAPU8: Uint8Array } };
  return wasm.HEAPU8.length;
}

it('the memory of five hundred training steps is that of the first ten', () => {
  const model = unet({
    sample_size: 4,
    in_channels: 1,
    out_channels: 1,
    layers_per_block: 1,
    block_out_channels: [8],
    norm_num_groups: 4,
    down_block_types: ['AttnDownBlock2D'],
    up_block_types: ['AttnUpBlock2D'],
  });
  const params = model.init(rng(1));
  const x = rng(2).normal([2, 4, 4, 1]);
  const t = tf.tensor1d([1, 2], 'int32');
  const step = valueAndGrad((p) => tf.mean(tf.square(model.apply(p, x, t))));
  const run = (count: number): [number, number] => {
    for (let i = 0; i < count; i++) {
      const { value, grads } = step(params);
      disposeParams({ ...grads, value });
    }
    return [bytes(), tf.memory().numTensors];
  };
  const afterTen = run(10);
  expect(run(490)).toEqual(afterTen);
  disposeParams({ ...params, x, t });
});

it('a transformed filter that was kept goes with its tensor', () => {
  const x = rng(1).normal([1, 4, 4, 64]) as tf.Tensor4D;
  const convolveTwice = (): void =>
    tf.tidy(() => {
      const filter = tf.ones([3, 3, 64, 64]) as tf.Tensor4D;
      conv2d(x, filter, undefined, { padding: 1 });
      conv2d(x, filter, undefined, { padding: 1 });
    });
  convolveTwice();
  const before = bytes();
  // A transformed filter has half a megabyte: three hundred of them would not fit.
  for (let i = 0; i < 300; i++) convolveTwice();
  expect(bytes()).toBe(before);
  x.dispose();
});
