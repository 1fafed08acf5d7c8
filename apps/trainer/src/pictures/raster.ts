import sharp from 'sharp';

/** A picture of bytes, rows from the top, grey (1) or red-green-blue (3). */
export interface Raster {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  readonly data: Uint8Array;
}

export function png({ width, height, channels, data }: Raster): Promise<Buffer> {
  return sharp(data, { raw: { width, height, channels } }).png().toBuffer();
}

/** A raster of an SVG text, `scale` pixels to its unit, on white. */
export async function rasterize(svg: string, scale = 2): Promise<Raster> {
  const { data, info } = await sharp(Buffer.from(svg), { density: 72 * scale })
    .flatten({ background: 'white' })
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, channels: 3, data };
}

/**
 * An animation of frames of one size, asked for one by one, that loops for ever and rests on its last frame: a WebP where the
 * name of its file ends so, else a GIF.
 */
export async function animation(
  file: string,
  count: number,
  frame: (i: number) => Promise<Raster>,
): Promise<Buffer> {
  const first = await frame(0);
  const { width, height, channels } = first;
  const each = first.data.length;
  const stacked = Buffer.alloc(count * each);
  for (let i = 0; i < count; i++) stacked.set((i === 0 ? first : await frame(i)).data, i * each);
  const delay = Array.from({ length: count }, (_, i) => (i === count - 1 ? 2000 : 80));
  const raw = { width, height: height * count, channels, pageHeight: height };
  // Noise does not compress: fewer shades of grey make a smaller file, and nobody sees it.
  const colours = channels === 1 ? 16 : 256;
  // All frames together are more than sharp allows a picture, which these are not.
  const frames = sharp(stacked, { raw, limitInputPixels: false });
  return file.endsWith('.webp')
    ? frames.webp({ delay, loop: 0 }).toBuffer()
    : frames.gif({ delay, loop: 0, colours, dither: 0, effort: 4 }).toBuffer();
}
