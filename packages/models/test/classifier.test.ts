import { mapParams, type Params, rng, valueAndGrad } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { type ClassifierConfig, classifier, unet } from '../src/index.js';

const small: Partial<ClassifierConfig> = {
  sample_size: 4,
  in_channels: 2,
  block_out_channels: [4, 8],
  down_block_types: ['DownBlock2D', 'AttnDownBlock2D'],
  layers_per_block: 1,
  norm_num_groups: 2,
  attention_head_dim: 4,
  classes: 3,
};
const times = (...values: number[]) => tf.tensor1d(values);

/** Parameters with nothing zeroed, so that everything has an effect. */
function awake(network: ReturnType<typeof classifier>): Params {
  return tf.tidy(() => {
    const draw = rng(7);
    return mapParams(network.init(rng(1)), (tensor, name) =>
      tf.add(tensor, tf.mul(draw.fork(name).normal(tensor.shape), 0.1)),
    );
  });
}

it('has the parameters of the way down of a U-Net, and two of its own', () => {
  const whole = unet({
    ...(({ classes: _, ...rest }) => rest)(small),
    up_block_types: ['AttnUpBlock2D', 'UpBlock2D'],
  });
  const own = Object.entries(classifier(small).shapes);
  const shared = Object.entries(whole.shapes).filter(
    ([name]) => !/^up_blocks|^conv_norm_out|^conv_out/.test(name),
  );
  expect(own.slice(0, shared.length)).toEqual(shared);
  expect(own.slice(shared.length)).toEqual([
    ['norm_out.weight', [8]],
    ['norm_out.bias', [8]],
    ['output.weight', [2 * 2 * 8, 3]],
    ['output.bias', [3]],
  ]);
});

it.each([
  [{ up_block_types: ['UpBlock2D'] }, 'config has the unknown key "up_block_types"'],
  [
    { sample_size: 5 },
    'sample_size must have sides that are multiples of 2, such as 4 × 4 or 6 × 6, not 5 × 5',
  ],
  [
    { sample_size: null as unknown as number },
    'sample_size must be a whole number from 1 on, or [height, width], not null',
  ],
  [{ classes: 0 }, 'classes must be a whole number from 1 on, not 0'],
  [
    { down_block_types: ['DownBlock2D'] },
    'down_block_types must have as many entries as block_out_channels (2), not 1',
  ],
  [{ norm_num_groups: 3 }, 'block_out_channels must be multiples of norm_num_groups (3), 4 is not'],
] as [Partial<ClassifierConfig>, string][])('is refused by name: %j', (change, message) => {
  expect(() => classifier({ ...small, ...change })).toThrow(message);
});

onEachBackend(() => {
  it('a fresh one finds all classes equally likely', () => {
    tf.tidy(() => {
      const network = classifier(small);
      const logits = network.apply(network.init(rng(1)), rng(2).normal([2, 4, 4, 2]), times(1, 500));
      expect(logits.shape).toEqual([2, 3]);
      expect([...logits.dataSync()]).toEqual(new Array(6).fill(0));
    });
  });

  it('row i of the logits depends on row i of the images and on its time alone', () => {
    tf.tidy(() => {
      const network = classifier(small);
      const params = awake(network);
      const x = rng(2).normal([3, 4, 4, 2]);
      const all = network.apply(params, x, times(1, 10, 999));
      [1, 10, 999].forEach((t, i) => {
        const alone = network.apply(params, tf.slice(x, [i], [1]), times(t));
        expectAllClose(alone, tf.slice(all, [i], [1]), { relative: 1e-4, absolute: 1e-5 });
      });
      const other = network.apply(params, x, times(1, 10, 30)).arraySync() as number[][];
      expect(other[2]).not.toEqual((all.arraySync() as number[][])[2]);
    });
  });

  it('the gradient of a logit by the image is that of finite differences', () => {
    tf.tidy(() => {
      const network = classifier(small);
      const params = awake(network);
      const x = rng(2).normal([1, 4, 4, 2]);
      const direction = rng(3).normal(x.shape);
      const logit = (x: tf.Tensor): tf.Scalar =>
        tf.sum(tf.mul(network.apply(params, x, times(7)), tf.tensor2d([[1, -2, 0.5]])));
      const { grads } = valueAndGrad(({ x }) => logit(x!))({ x });
      const along = tf.sum(tf.mul(grads.x!, direction)).dataSync()[0]!;
      const h = 1e-2;
      const at = (s: number) => logit(tf.add(x, tf.mul(direction, s))).dataSync()[0]!;
      expectAllClose((at(h) - at(-h)) / (2 * h), along, { relative: 1e-2, absolute: 1e-3 });
      expect(Math.abs(along)).toBeGreaterThan(1e-2);
    });
  });

  it('leaves no tensor behind', () => {
    const network = classifier(small);
    const params = network.init(rng(1));
    const [x, t] = [rng(2).normal([1, 4, 4, 2]), times(1)] as const;
    return expectNoLeak(() => network.apply(params, x, t));
  });

  it('refuses images of other channels or sides', () => {
    const network = classifier(small);
    const params = network.init(rng(1));
    expect(() => network.apply(params, tf.zeros([1, 4, 4, 1]), times(1))).toThrow(
      'xt must have shape [batch, 4, 4, 2], not [1,4,4,1]',
    );
    expect(() => network.apply(params, tf.zeros([1, 8, 4, 2]), times(1))).toThrow(
      'xt must have shape [batch, 4, 4, 2], not [1,8,4,2]',
    );
  });
});
