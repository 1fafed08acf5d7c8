import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { folder } from './folder.js';

/** A class-conditional U-Net of 1,000 parameters on 4×4 images. */
export const TINY_IMAGES = {
  data: { kind: 'images', height: 4, width: 4, channels: 1, labels: true },
  model: {
    _class_name: 'UNet2DModel',
    block_out_channels: [4],
    down_block_types: ['DownBlock2D'],
    up_block_types: ['UpBlock2D'],
    layers_per_block: 1,
    norm_num_groups: 2,
    attention_head_dim: 4,
    add_attention: false,
  },
  process: { schedule: { kind: 'cosine', steps: 10 }, predicts: 'v' },
  training: { steps: 2, batch: 4, learningRate: 0.05, sampleEvery: 0, logEvery: 1 },
  sampling: { steps: 2, count: 2 },
};

/** Photographs, four of each class. */
export async function photographs(...classes: string[]): Promise<string> {
  const data = join(folder(), 'pets');
  for (const [k, name] of classes.entries()) {
    mkdirSync(join(data, name), { recursive: true });
    for (let i = 0; i < 4; i++) {
      const background = { r: 60 * k, g: 20 * i, b: 0 };
      await sharp({ create: { width: 5, height: 4, channels: 3, background } })
        .png()
        .toFile(join(data, name, `${i}.png`));
    }
  }
  return data;
}
