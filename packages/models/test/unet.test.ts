import { disposeParams, mapParams, type Params, rng, valueAndGrad } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { type UNetConfig, unet } from '../src/index.js';

const small: Partial<UNetConfig> = {
  in_channels: 2,
  out_channels: 2,
  block_out_channels: [4, 8],
  down_block_types: ['DownBlock2D', 'AttnDownBlock2D'],
  up_block_types: ['AttnUpBlock2D', 'UpBlock2D'],
  layers_per_block: 1,
  norm_num_groups: 2,
  attention_head_dim: 4,
};

/** Parameters with nothing zeroed, so that everything has an effect. */
function awake(network: ReturnType<typeof unet>): Params {
  return tf.tidy(() => {
    const draw = rng(7);
    return mapParams(network.init(rng(1)), (tensor, name) =>
      tf.add(tensor, tf.mul(draw.fork(name).normal(tensor.shape), 0.1)),
    );
  });
}

const times = (...values: number[]) => tf.tensor1d(values);
const classes = (...values: number[]) => tf.tensor1d(values, 'int32');

it('the reference U-Net has 3,939,393 parameters', () => {
  const { shapes } = unet({
    sample_size: 28,
    in_channels: 1,
    out_channels: 1,
    layers_per_block: 2,
    block_out_channels: [32, 64, 128],
    norm_num_groups: 8,
    attention_head_dim: 8,
    down_block_types: ['DownBlock2D', 'DownBlock2D', 'AttnDownBlock2D'],
    up_block_types: ['AttnUpBlock2D', 'UpBlock2D', 'UpBlock2D'],
  });
  const sizes = Object.values(shapes).map((shape) => tf.util.sizeFromShape([...shape]));
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(3_939_393);
});

it('the middle normalises before it attends, but not with scale_shift unless told its groups', () => {
  const name = 'mid_block.attentions.0.group_norm.weight';
  const scaleShift: Partial<UNetConfig> = { ...small, resnet_time_scale_shift: 'scale_shift' };
  expect(unet(small).shapes[name]).toEqual([8]);
  expect(unet(scaleShift).shapes[name]).toBeUndefined();
  expect(unet({ ...scaleShift, attn_norm_num_groups: 4 }).shapes[name]).toEqual([8]);
});

it('every convolution and linear map has the layout of its kind, and nothing else has one', () => {
  const { layouts, shapes } = unet({ ...small, num_class_embeds: 3 });
  const expected = Object.entries(shapes).flatMap(([name, { length }]) => {
    if (length < 2 || name === 'class_embedding.weight') return [];
    return [[name, length === 4 ? [3, 2, 0, 1] : [1, 0]]];
  });
  expect(Object.entries(layouts)).toEqual(expected);
  expect(layouts['mid_block.attentions.0.to_q.weight']).toEqual([1, 0]);
  expect(layouts['conv_in.weight']).toEqual([3, 2, 0, 1]);
});

it('accepts a label where it knows classes, and nothing else', () => {
  expect(unet({ ...small, num_class_embeds: 3 }).accepts).toEqual({
    label: { shape: [], dtype: 'int32', below: 3 },
  });
  expect(unet(small).accepts).toEqual({});
});

it('accepts an image of so many channels where it is told one, beside the label', () => {
  expect(unet({ ...small, condition_channels: 1, num_class_embeds: 3 }).accepts).toEqual({
    label: { shape: [], dtype: 'int32', below: 3 },
    image: { shape: [null, null, 1], dtype: 'float32' },
  });
  expect(Object.keys(unet(small).config)).not.toContain('condition_channels');
});

it('the time embedding is four times the first stage wide, or as wide as told', () => {
  const name = 'time_embedding.linear_1.weight';
  expect(unet(small).shapes[name]).toEqual([4, 16]);
  expect(unet({ ...small, time_embedding_dim: 10 }).shapes[name]).toEqual([4, 10]);
});

onEachBackend(() => {
  it('a fresh network has the shapes it declares, and gives zeros', () => {
    tf.tidy(() => {
      const network = unet(small);
      const params = network.init(rng(1));
      expect(Object.entries(params).map(([name, { shape }]) => [name, shape])).toEqual(
        Object.entries(network.shapes),
      );
      const y = network.apply(params, rng(2).normal([2, 4, 4, 2]), times(1, 500));
      expect(y.shape).toEqual([2, 4, 4, 2]);
      expect(Array.from(y.dataSync())).toEqual(new Array(64).fill(0));
    });
  });

  it('is told whole times as float32 or int32', () => {
    tf.tidy(() => {
      const network = unet(small);
      const params = awake(network);
      const x = rng(2).normal([2, 4, 4, 2]);
      expect(network.apply(params, x, tf.tensor1d([7, 500], 'int32')).dataSync()).toEqual(
        network.apply(params, x, times(7, 500)).dataSync(),
      );
    });
  });

  it('a seed decides every parameter, by its name', () => {
    tf.tidy(() => {
      const params = unet(small).init(rng(3));
      const deeper = unet({ ...small, layers_per_block: 2 }).init(rng(3));
      const name = 'mid_block.resnets.1.conv2.weight';
      expect(deeper[name]!.dataSync()).toEqual(params[name]!.dataSync());
      expect(unet(small).init(rng(4))[name]!.dataSync()).not.toEqual(params[name]!.dataSync());
    });
  });

  it('parameters begin as in PyTorch: uniform on ±1/√fanIn, norms as the identity, embeddings normal', () => {
    tf.tidy(() => {
      const params = unet({ ...small, num_class_embeds: 100 }).init(rng(3));
      const of = (name: string) => Array.from(params[name]!.dataSync());
      for (const [name, fanIn] of [
        ['mid_block.resnets.1.conv2.weight', 9 * 8],
        ['mid_block.resnets.1.time_emb_proj.weight', 16],
        ['mid_block.attentions.0.to_q.weight', 8],
        ['down_blocks.1.resnets.0.conv_shortcut.weight', 4],
      ] as const) {
        const bound = 1 / Math.sqrt(fanIn);
        const largest = Math.max(...of(name).map(Math.abs));
        expect(largest, name).toBeLessThanOrEqual(bound);
        expect(largest, name).toBeGreaterThan(0.85 * bound);
        const bias = Math.max(...of(name.replace('.weight', '.bias')).map(Math.abs));
        expect(bias, name).toBeLessThanOrEqual(bound);
        expect(bias, name).toBeGreaterThan(0.5 * bound);
      }
      expect(of('conv_norm_out.weight')).toEqual([1, 1, 1, 1]);
      expect(of('conv_norm_out.bias')).toEqual([0, 0, 0, 0]);
      const table = of('class_embedding.weight');
      const variance = table.reduce((sum, x) => sum + x * x, 0) / table.length;
      // Five standard errors of 1,600 draws.
      expectAllClose(variance, 1, { absolute: 5 * Math.sqrt(2 / table.length) });
    });
  });

  it('told an image, it is the network of as many more channels, values and gradients', () => {
    tf.tidy(() => {
      const told = unet({ ...small, in_channels: 3, condition_channels: 2, out_channels: 1 });
      const plain = unet({ ...small, in_channels: 3, out_channels: 1 });
      expect(told.shapes).toEqual(plain.shapes);
      const params = awake(told);
      const joined = rng(2).normal([2, 4, 4, 3]);
      const xt = tf.slice(joined, [0, 0, 0, 0], [2, 4, 4, 1]);
      const image = tf.slice(joined, [0, 0, 0, 1], [2, 4, 4, 2]);
      const t = times(1, 500);
      const wanted = valueAndGrad((params) => tf.sum(tf.square(plain.apply(params, joined, t))))(params);
      const got = valueAndGrad((params) => tf.sum(tf.square(told.apply(params, xt, t, { image }))))(params);
      expectAllClose(got.value, wanted.value, { relative: 1e-6 });
      for (const [name, grad] of Object.entries(wanted.grads)) {
        expectAllClose(got.grads[name]!, grad, { relative: 1e-5, absolute: 1e-6 });
      }
      // Of the image alone the output depends too.
      const other = told.apply(params, xt, t, { image: tf.reverse(image, 1) }).dataSync();
      expect(other).not.toEqual(told.apply(params, xt, t, { image }).dataSync());
    });
  });

  it('refuses an image that is missing, or of other channels or pixels than it needs', () => {
    tf.tidy(() => {
      const network = unet({ ...small, condition_channels: 1, out_channels: 1 });
      const params = network.init(rng(1));
      const xt = tf.zeros([2, 4, 4, 1]);
      const apply = (image?: tf.Tensor) => () =>
        network.apply(params, xt, times(1, 2), image ? { image } : undefined);
      expect(apply()).toThrow('condition.image: this network needs it, float32 of shape [2,any,any,1]');
      expect(apply(tf.zeros([2, 4, 4, 2]))).toThrow(
        'condition.image must have shape [2,any,any,1], one per example of xt, not [2,4,4,2]',
      );
      expect(apply(tf.zeros([2, 2, 2, 1]))).toThrow(
        'condition.image must have the 4 × 4 pixels of xt, not 2 × 2',
      );
      expect(() => network.apply(params, tf.zeros([2, 4, 4, 2]), times(1, 2))).toThrow(
        'xt must have shape [batch, height, width, 1], not [2,4,4,2]',
      );
    });
  });

  it('row i of the output depends on row i of the input alone', () => {
    tf.tidy(() => {
      const network = unet({ ...small, num_class_embeds: 3 });
      const params = awake(network);
      const x = rng(2).normal([3, 4, 4, 2]);
      const all = network.apply(params, x, times(1, 10, 999), { label: classes(0, 2, 1) });
      for (const [i, t, label] of [
        [0, 1, 0],
        [1, 10, 2],
        [2, 999, 1],
      ] as const) {
        const one = network.apply(params, tf.slice(x, i, 1), times(t), { label: classes(label) });
        expectAllClose(one, tf.slice(all, i, 1));
      }
    });
  });

  it('time and label are told apart', () => {
    tf.tidy(() => {
      const network = unet({ ...small, num_class_embeds: 2 });
      const params = awake(network);
      const x = rng(2).normal([1, 4, 4, 2]);
      const y = (t: number, label: number) => network.apply(params, x, times(t), { label: classes(label) });
      for (const other of [y(500, 0), y(1, 1)]) {
        expect(tf.max(tf.abs(tf.sub(other, y(1, 0)))).dataSync()[0]).toBeGreaterThan(1e-3);
      }
    });
  });

  it('the gradient is that of finite differences, in a random direction', () => {
    tf.tidy(() => {
      const network = unet({ ...small, resnet_time_scale_shift: 'scale_shift', num_class_embeds: 2 });
      const params = awake(network);
      const x = rng(2).normal([2, 4, 4, 2]);
      const weights = rng(3).normal([2, 4, 4, 2]);
      const f = (p: Params): tf.Scalar =>
        tf.sum(tf.mul(network.apply(p, x, times(5, 700), { label: classes(1, 0) }), weights));
      const draw = rng(4);
      const direction = mapParams(params, ({ shape }, name) => draw.fork(name).normal(shape));
      const moved = (step: number) =>
        f(mapParams(params, (tensor, name) => tf.add(tensor, tf.mul(direction[name]!, step)))).dataSync()[0]!;
      const step = 1e-3;
      // Fourth order: (8 (f(h) − f(−h)) − (f(2h) − f(−2h))) / 12h.
      const slope = (8 * (moved(step) - moved(-step)) - (moved(2 * step) - moved(-2 * step))) / (12 * step);
      const { grads } = valueAndGrad(f)(params);
      const expected = Object.entries(grads).reduce(
        (sum, [name, grad]) => sum + tf.sum(tf.mul(grad, direction[name]!)).dataSync()[0]!,
        0,
      );
      expectAllClose(slope, expected, { relative: 2e-3 });
    });
  });

  it('images need not be square, and each may have its own size', () => {
    tf.tidy(() => {
      const network = unet({ ...small, sample_size: [4, 6] });
      const params = awake(network);
      for (const [height, width] of [
        [4, 6],
        [2, 8],
      ] as const) {
        const x = rng(2).normal([1, height, width, 2]);
        expect(network.apply(params, x, times(3)).shape).toEqual([1, height, width, 2]);
      }
    });
  });

  it('centring takes 2x − 1 for x', () => {
    tf.tidy(() => {
      const plain = unet(small);
      const params = awake(plain);
      const x = rng(2).normal([1, 4, 4, 2]);
      expectAllClose(
        unet({ ...small, center_input_sample: true }).apply(params, x, times(3)),
        plain.apply(params, tf.sub(tf.mul(x, 2), 1), times(3)),
      );
    });
  });

  it('every sum of the middle is divided by its scale: a factor that a normalisation takes for a larger epsilon', () => {
    tf.tidy(() => {
      const config: Partial<UNetConfig> = {
        ...small,
        block_out_channels: [4],
        down_block_types: ['DownBlock2D'],
        up_block_types: ['UpBlock2D'],
      };
      // With its blocks silent and no skips, the network is a normalisation of what the middle scaled three times.
      const silent = (tensor: tf.Tensor, name: string) => {
        if (/conv2|to_out|conv_shortcut.bias/.test(name)) return tf.zerosLike(tensor);
        return name.endsWith('conv_shortcut.weight')
          ? tf.reshape(tf.concat([tf.eye(4), tf.zeros([4, 4])]), tensor.shape)
          : tensor;
      };
      const params = mapParams(awake(unet(config)), silent);
      const x = rng(2).normal([1, 4, 4, 2]);
      expectAllClose(
        unet({ ...config, mid_block_scale_factor: 2, norm_eps: 0.01 }).apply(params, x, times(3)),
        unet({ ...config, norm_eps: 0.01 * 2 ** 6 }).apply(params, x, times(3)),
      );
    });
  });

  it('a learned variance doubles the output', () => {
    tf.tidy(() => {
      const network = unet({ ...small, out_channels: 4 });
      const y = network.apply(network.init(rng(1)), rng(2).normal([1, 4, 4, 2]), times(3));
      expect(y.shape).toEqual([1, 4, 4, 4]);
    });
  });

  it('dropout needs a source of randomness, and is decided by it', () => {
    tf.tidy(() => {
      const network = unet({ ...small, dropout: 0.3 });
      const params = awake(network);
      const x = rng(2).normal([1, 4, 4, 2]);
      const y = (seed?: number) =>
        network.apply(params, x, times(3), undefined, seed === undefined ? undefined : rng(seed)).dataSync();
      expect(y()).toEqual(unet(small).apply(params, x, times(3)).dataSync());
      expect(y(1)).toEqual(y(1));
      expect(y(1)).not.toEqual(y(2));
      expect(y(1)).not.toEqual(y());
    });
  });

  it('what it has no use for in a condition is ignored', () => {
    tf.tidy(() => {
      const network = unet(small);
      const params = awake(network);
      const x = rng(2).normal([1, 4, 4, 2]);
      expect(network.apply(params, x, times(3), { label: classes(9), image: x }).dataSync()).toEqual(
        network.apply(params, x, times(3)).dataSync(),
      );
    });
  });

  it('a label out of range has no embedding', () => {
    tf.tidy(() => {
      const network = unet({ ...small, num_class_embeds: 3 });
      const params = awake(network);
      const without = { ...params, 'class_embedding.weight': tf.zeros([3, 16]) };
      const x = rng(2).normal([3, 4, 4, 2]);
      const t = times(3, 3, 3);
      expectAllClose(
        network.apply(params, x, t, { label: classes(3, -1, 2 ** 31 - 1) }),
        network.apply(without, x, t, { label: classes(0, 1, 2) }),
      );
    });
  });

  it('leaves no tensors behind', async () => {
    const network = unet({ ...small, num_class_embeds: 3, dropout: 0.1 });
    await expectNoLeak(() => network.init(rng(1)));
    const params = awake(network);
    const x = rng(2).normal([2, 4, 4, 2]);
    const t = times(1, 2);
    const label = classes(0, 2);
    await expectNoLeak(() => network.apply(params, x, t, { label }));
    await expectNoLeak(() =>
      valueAndGrad((p) => tf.mean(tf.square(network.apply(p, x, t, { label }, rng(1)))))(params),
    );
    disposeParams({ ...params, x, t, label });
  });

  it('what does not fit is refused before a tensor is made', () => {
    const network = unet({ ...small, num_class_embeds: 3 });
    const params = network.init(rng(1));
    const { 'conv_out.bias': bias, ...short } = params;
    const x = tf.zeros([2, 4, 4, 2]);
    const odd = tf.zeros([2, 6, 7, 2]);
    const grey = tf.zeros([2, 4, 4, 1]);
    const t = times(1, 2);
    const t3 = times(1, 2, 3);
    const label = classes(0, 2);
    const label3 = classes(0, 1, 2);
    const floats = tf.tensor1d([0, 1]);
    const before = tf.memory().numTensors;
    const refused = (f: () => unknown, message: string) => expect(f).toThrow(new RangeError(message));
    refused(() => network.apply(short, x, t, { label }), 'params: "conv_out.bias" is missing');
    refused(
      () => network.apply({ ...params, 'conv_out.bias': x }, x, t, { label }),
      'params: "conv_out.bias" must have shape [2], not [2,4,4,2]',
    );
    refused(
      () => network.apply({ ...params, 'conv_out.scale': bias! }, x, t, { label }),
      'params: "conv_out.scale" is not among those expected',
    );
    refused(
      () => network.apply(params, grey, t, { label }),
      'xt must have shape [batch, height, width, 2], not [2,4,4,1]',
    );
    refused(
      () => network.apply(params, odd, t, { label }),
      'xt must have sides that are multiples of 2, such as 6 × 6 or 6 × 8, not 6 × 7',
    );
    refused(
      () => network.apply(params, x, t3, { label }),
      'told must have shape [2], one per example of xt, not [3]',
    );
    refused(() => network.apply(params, x, t), 'condition.label: this network needs it, int32 of shape [2]');
    refused(
      () => network.apply(params, x, t, { label: label3 }),
      'condition.label must have shape [2], one per example of xt, not [3]',
    );
    refused(
      () => network.apply(params, x, t, { label: floats }),
      'condition.label must be int32, not float32',
    );
    expect(tf.memory().numTensors).toBe(before);
    disposeParams({ ...params, x, odd, grey, t, t3, label, label3, floats });
  });
});
