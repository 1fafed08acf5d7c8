import { golden } from '@diffusion-ts/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type UNetConfig, unetConfig } from '../src/index.js';

// A small one that fits together, to break in one place at a time.
const small = {
  block_out_channels: [8, 16],
  down_block_types: ['DownBlock2D', 'AttnDownBlock2D'],
  up_block_types: ['AttnUpBlock2D', 'UpBlock2D'],
  norm_num_groups: 4,
};

it('what is left out is as in diffusers', () => {
  expect(unetConfig({})).toEqual({
    sample_size: null,
    in_channels: 3,
    out_channels: 3,
    center_input_sample: false,
    time_embedding_type: 'positional',
    time_embedding_dim: null,
    freq_shift: 0,
    flip_sin_to_cos: true,
    down_block_types: ['DownBlock2D', 'AttnDownBlock2D', 'AttnDownBlock2D', 'AttnDownBlock2D'],
    mid_block_type: 'UNetMidBlock2D',
    up_block_types: ['AttnUpBlock2D', 'AttnUpBlock2D', 'AttnUpBlock2D', 'UpBlock2D'],
    block_out_channels: [224, 448, 672, 896],
    layers_per_block: 2,
    mid_block_scale_factor: 1,
    downsample_padding: 1,
    downsample_type: 'conv',
    upsample_type: 'conv',
    dropout: 0,
    act_fn: 'silu',
    attention_head_dim: 8,
    norm_num_groups: 32,
    attn_norm_num_groups: null,
    norm_eps: 1e-5,
    resnet_time_scale_shift: 'default',
    class_embed_type: null,
    num_class_embeds: null,
    num_train_timesteps: null,
    add_attention: true,
  } satisfies UNetConfig);
});

it('a config of diffusers passes through, less its private keys', () => {
  for (const name of ['unet-mnist', 'unet-class-conditional', 'unet-ddpm-cifar']) {
    const { _class_name, _diffusers_version, ...rest } = golden<Record<string, unknown>>(`${name}/config`);
    const config = unetConfig(golden(`${name}/config`));
    expect(config).toEqual(rest);
    expect(unetConfig(JSON.parse(JSON.stringify(config)))).toEqual(config);
  }
});

describe('is refused by name:', () => {
  const cases: [string, unknown, string][] = [
    ['layers', 2, 'config has the unknown key "layers"'],
    ['toString', 1, 'config has the unknown key "toString"'],
    ['sample_size', [28], 'sample_size must be a whole number from 1 on, [height, width] or null, not [28]'],
    ['condition_channels', 3, 'condition_channels must be less than in_channels (3), not 3'],
    ['condition_channels', 0, 'condition_channels must be a whole number from 1 on, not 0'],
    ['in_channels', 0, 'in_channels must be a whole number from 1 on, not 0'],
    ['out_channels', 1.5, 'out_channels must be a whole number from 1 on, not 1.5'],
    ['center_input_sample', 1, 'center_input_sample must be true or false, not 1'],
    ['time_embedding_type', 'fourier', 'time_embedding_type must be "positional", not "fourier"'],
    ['time_embedding_dim', 0, 'time_embedding_dim must be a whole number from 1 on, or null, not 0'],
    ['freq_shift', null, 'freq_shift must be a number, not null'],
    [
      'down_block_types',
      ['DownBlock2D', 'SkipDownBlock2D'],
      'down_block_types must be a list of "DownBlock2D" and "AttnDownBlock2D", not ["DownBlock2D","SkipDownBlock2D"]',
    ],
    ['up_block_types', [], 'up_block_types must be a list of "UpBlock2D" and "AttnUpBlock2D", not []'],
    ['mid_block_type', null, 'mid_block_type must be "UNetMidBlock2D", not null'],
    [
      'block_out_channels',
      [8, -8],
      'block_out_channels must be a list of whole numbers from 1 on, not [8,-8]',
    ],
    ['layers_per_block', [1, 2], 'layers_per_block must be a whole number from 1 on, not [1,2]'],
    ['mid_block_scale_factor', 0, 'mid_block_scale_factor must be a positive number, not 0'],
    ['downsample_padding', 2, 'downsample_padding must be 1 or 0, not 2'],
    ['downsample_type', 'resnet', 'downsample_type must be "conv", not "resnet"'],
    ['upsample_type', 'resnet', 'upsample_type must be "conv", not "resnet"'],
    ['dropout', 1, 'dropout must be a number from 0 to less than 1, not 1'],
    ['act_fn', 'relu', 'act_fn must be "silu", not "relu"'],
    ['attention_head_dim', 0, 'attention_head_dim must be a whole number from 1 on, or null, not 0'],
    ['norm_num_groups', null, 'norm_num_groups must be a whole number from 1 on, not null'],
    ['norm_eps', '1e-5', 'norm_eps must be a positive number, not "1e-5"'],
    [
      'resnet_time_scale_shift',
      'ada_group',
      'resnet_time_scale_shift must be "default" or "scale_shift", not "ada_group"',
    ],
    ['class_embed_type', 'timestep', 'class_embed_type must be null, not "timestep"'],
    ['num_class_embeds', -1, 'num_class_embeds must be a whole number from 1 on, or null, not -1'],
    ['add_attention', null, 'add_attention must be true or false, not null'],
    [
      'down_block_types',
      ['DownBlock2D'],
      'down_block_types must have as many entries as block_out_channels (2), not 1',
    ],
    [
      'up_block_types',
      ['UpBlock2D', 'UpBlock2D', 'UpBlock2D'],
      'up_block_types must have as many entries as block_out_channels (2), not 3',
    ],
    ['norm_num_groups', 3, 'block_out_channels must be multiples of norm_num_groups (3), 8 is not'],
    ['attn_norm_num_groups', 3, 'attn_norm_num_groups must divide the 16 channels of the middle, 3 does not'],
    [
      'attention_head_dim',
      32,
      'attention_head_dim must be at most the 16 channels of a stage that attends, not 32',
    ],
    [
      'block_out_channels',
      [1, 16],
      'block_out_channels must begin with 2 or more, not 1: the time is told by as many waves',
    ],
    [
      'freq_shift',
      4,
      'freq_shift must not be half of the first of block_out_channels (8): the sinusoid divides by the difference',
    ],
    [
      'sample_size',
      [28, 29],
      'sample_size must have sides that are multiples of 2, such as 28 × 28 or 28 × 30, not 28 × 29',
    ],
    ['sample_size', 1, 'sample_size must have sides that are multiples of 2, such as 2 × 2, not 1 × 1'],
  ];
  for (const [key, value, message] of cases) {
    it(`${key} = ${JSON.stringify(value)}`, () => {
      expect(() => unetConfig({ ...small, [key]: value })).toThrow(new RangeError(message));
    });
  }

  it('what is no object', () => {
    expect(() => unetConfig([])).toThrow(new TypeError('config must be an object, not []'));
    expect(() => unetConfig(null)).toThrow(new TypeError('config must be an object, not null'));
  });
});

it('heads may be wider than a stage that does not attend', () => {
  expect(unetConfig({ ...small, attention_head_dim: 16 }).attention_head_dim).toBe(16);
});

it('any value of any key is taken or refused with a sentence that names the key', () => {
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(unetConfig({}))), fc.jsonValue(), (key, value) => {
      try {
        expect(unetConfig({ ...small, [key]: value })[key as keyof UNetConfig]).toEqual(value);
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
        expect((error as Error).message).toContain(key);
      }
    }),
  );
});
