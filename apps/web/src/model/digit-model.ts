import type { UNetConfig } from '@diffusion-ts/models';

/** The U-Net of the command line's `mnist` preset: 280 thousand parameters; label 10 means "no class". */
export const DIGIT_MODEL: Partial<UNetConfig> = {
  sample_size: 28,
  in_channels: 1,
  out_channels: 1,
  block_out_channels: [16, 32, 32],
  layers_per_block: 1,
  down_block_types: ['DownBlock2D', 'DownBlock2D', 'AttnDownBlock2D'],
  up_block_types: ['AttnUpBlock2D', 'UpBlock2D', 'UpBlock2D'],
  norm_num_groups: 8,
  attention_head_dim: 8,
  num_class_embeds: 11,
};
