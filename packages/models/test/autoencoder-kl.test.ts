import { rng, valueAndGrad } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { autoencoderKl } from '../src/index.js';

const stages = (channels: number[]) => ({
  block_out_channels: channels,
  down_block_types: channels.map(() => 'DownEncoderBlock2D' as const),
  up_block_types: channels.map(() => 'UpDecoderBlock2D' as const),
});

const small = autoencoderKl({
  ...stages([4, 8]),
  in_channels: 1,
  out_channels: 2,
  latent_channels: 3,
  norm_num_groups: 2,
  sample_size: 8,
});

describe('autoencoderKl', () => {
  it('has the parameters of the autoencoder of Stable Diffusion, name for name: 83,653,863 numbers', () => {
    const { shapes } = autoencoderKl({
      ...stages([128, 256, 512, 512]),
      layers_per_block: 2,
      sample_size: 512,
    });
    const count = (prefix: string): number =>
      Object.entries(shapes)
        .filter(([name]) => name.startsWith(prefix))
        .reduce((sum, [, shape]) => sum + shape.reduce((product, n) => product * n, 1), 0);
    expect(count('encoder.')).toBe(34_163_592);
    expect(count('decoder.')).toBe(49_490_179);
    expect(count('quant_conv.') + count('post_quant_conv.')).toBe(92);
    expect(count('')).toBe(83_653_863);
    expect(shapes['decoder.up_blocks.2.resnets.0.conv_shortcut.weight']).toEqual([1, 1, 512, 256]);
    expect(shapes['encoder.mid_block.attentions.0.to_out.0.weight']).toEqual([512, 512]);
    expect(Object.keys(shapes).some((name) => name.includes('time_emb_proj'))).toBe(false);
  });

  it('says what is wrong with a configuration', () => {
    expect(() => autoencoderKl({ block_out_channels: [32, 64] })).toThrow(
      'down_block_types must have as many entries as block_out_channels (2), not 1',
    );
    expect(() => autoencoderKl({ ...stages([8]), norm_num_groups: 3 })).toThrow(
      'block_out_channels must be multiples of norm_num_groups (3), 8 is not',
    );
    expect(() => autoencoderKl({ ...stages([32, 32]), sample_size: 7 })).toThrow(
      'sample_size must have sides',
    );
    expect(() => autoencoderKl({ latents: 3 } as object)).toThrow('config has the unknown key "latents"');
  });
});

onEachBackend(() => {
  it('halves the image for every stage but the last, and gives back its size', () => {
    const params = small.init(rng(1));
    const moments = small.encode(params, rng(2).normal([2, 8, 12, 1]));
    expect(moments.shape).toEqual([2, 4, 6, 6]);
    expect(small.decode(params, rng(3).normal([2, 4, 6, 3])).shape).toEqual([2, 8, 12, 2]);
  });

  it('treats every image by itself, and sees all of it', () => {
    const params = small.init(rng(1));
    const x = rng(2).normal([2, 8, 8, 1]);
    const both = small.encode(params, x);
    const alone = small.encode(params, tf.slice(x, [1, 0, 0, 0], [1, -1, -1, -1]));
    expectAllClose(tf.slice(both, [1, 0, 0, 0], [1, -1, -1, -1]), alone, { absolute: 1e-5 });
    // The middle attends: the first pixel reaches the last latent.
    const corner = tf.pad(tf.ones([1, 1, 1, 1]), [
      [1, 0],
      [0, 7],
      [0, 7],
      [0, 0],
    ]);
    const change = tf.abs(tf.sub(small.encode(params, tf.add(x, corner)), both));
    const [last] = tf.slice(change, [1, 3, 3, 0], [1, 1, 1, 1]).dataSync();
    expect(last).toBeGreaterThan(1e-6);
  });

  it('has gradients that are its slopes, in encoder and decoder', () => {
    const params = small.init(rng(1));
    const x = rng(2).normal([1, 8, 8, 1]);
    const f = (p: typeof params): tf.Scalar =>
      tf.tidy(() => {
        const [mean] = tf.split(small.encode(p, x), 2, -1);
        return tf.mean(tf.square(small.decode(p, mean!)));
      });
    const { grads } = valueAndGrad(f)(params);
    for (const name of [
      'encoder.conv_in.bias',
      'quant_conv.bias',
      'decoder.up_blocks.1.resnets.1.norm2.weight',
    ]) {
      const step = 1e-2;
      const at = (sign: number): number => {
        const shift = tf.oneHot(tf.tensor1d([1], 'int32'), params[name]!.size);
        const moved = tf.add(params[name]!, tf.mul(tf.reshape(shift, params[name]!.shape), sign * step));
        return f({ ...params, [name]: moved }).dataSync()[0]!;
      };
      const slope = (at(1) - at(-1)) / (2 * step);
      expectAllClose(grads[name]!.dataSync()[1]!, slope, { relative: 2e-2, absolute: 2e-5 });
    }
  });

  it('gives back the memory it used, and says which images it takes', async () => {
    const params = small.init(rng(1));
    const x = rng(2).normal([1, 8, 8, 1]);
    const z = rng(2).normal([1, 4, 4, 3]);
    await expectNoLeak(() => [small.encode(params, x), small.decode(params, z)]);
    expect(() => small.encode(params, z)).toThrow(
      'x must have shape [batch, height, width, 1], not [1,4,4,3]',
    );
    expect(() => small.decode(params, x)).toThrow(
      'z must have shape [batch, height, width, 3], not [1,8,8,1]',
    );
  });
});
