// The cases of the wasm suite, the same for every system.

/** 3×3 convolutions, padded by one: batch × size² × channels in → out. */
export const convolutions = [
  { name: 'conv3x3 16x32x32x64', batch: 16, size: 32, channels: 64, filters: 64, kernel: 3, stride: 1 },
  { name: 'conv3x3 16x28x28x32', batch: 16, size: 28, channels: 32, filters: 32, kernel: 3, stride: 1 },
  { name: 'conv3x3 16x14x14x128', batch: 16, size: 14, channels: 128, filters: 128, kernel: 3, stride: 1 },
  { name: 'conv3x3 16x7x7x256', batch: 16, size: 7, channels: 256, filters: 256, kernel: 3, stride: 1 },
];

/** Convolutions that Winograd's algorithm is not for. */
export const otherConvolutions = [
  { name: 'conv1x1 16x28x28x64', batch: 16, size: 28, channels: 64, filters: 64, kernel: 1, stride: 1 },
  { name: 'conv1x1 16x14x14x128', batch: 16, size: 14, channels: 128, filters: 128, kernel: 1, stride: 1 },
  { name: 'conv3x3/2 16x28x28x32', batch: 16, size: 28, channels: 32, filters: 32, kernel: 3, stride: 2 },
  { name: 'conv3x3/2 16x28x28x64', batch: 16, size: 28, channels: 64, filters: 64, kernel: 3, stride: 2 },
];

/** Products [batch, m, k] × [batch, k, n]. */
export const products = [
  { name: 'matmul 512x512x512', batch: 1, m: 512, n: 512, k: 512 },
  { name: 'matmul 1024x128x128', batch: 1, m: 1024, n: 128, k: 128 },
  { name: 'matmul 16x196x196x64', batch: 16, m: 196, n: 196, k: 64 },
];

/** Images to normalise: the last does not fit the caches. */
export const norms = [
  { name: 'groupnorm 16x28x28x32', batch: 16, size: 28, channels: 32 },
  { name: 'groupnorm 64x32x32x128', batch: 64, size: 32, channels: 128 },
];

/** The reference U-Net of the project: diffusers' UNet2DModel with 3,939,393 parameters. */
export const referenceUnet = {
  sample_size: 28,
  in_channels: 1,
  out_channels: 1,
  layers_per_block: 2,
  block_out_channels: [32, 64, 128],
  norm_num_groups: 8,
  attention_head_dim: 8,
  down_block_types: ['DownBlock2D', 'DownBlock2D', 'AttnDownBlock2D'],
  up_block_types: ['AttnUpBlock2D', 'UpBlock2D', 'UpBlock2D'],
};
