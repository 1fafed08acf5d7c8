import type { Raster } from './raster.js';

/** Images as they come out of a network: `values` are [count, height, width, channels] in [−1, 1]. */
export interface Images {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

const GUTTER = 2;
const GUTTER_GREY = 64;
const WANTED_WIDTH = 600;

/** How large a sheet is, and how much its images are enlarged. */
export function sheetSize(
  count: number,
  [height, width]: readonly number[],
  columns: number,
): { width: number; height: number; scale: number } {
  const scale = Math.max(1, Math.round(WANTED_WIDTH / (columns * width!)));
  return {
    width: columns * (width! * scale + GUTTER) + GUTTER,
    height: Math.ceil(count / columns) * (height! * scale + GUTTER) + GUTTER,
    scale,
  };
}

/** The images in rows of `columns`, enlarged by a whole factor where they are small; cells without an image are black. */
export function sheet({ shape, values }: Images, columns: number): Raster {
  const [count, height, width, depth] = shape as [number, number, number, number];
  const channels = depth === 1 ? 1 : 3;
  const rows = Math.ceil(count / columns);
  const { width: sheetWidth, height: sheetHeight, scale } = sheetSize(count, [height, width], columns);
  const cellWidth = width * scale + GUTTER;
  const cellHeight = height * scale + GUTTER;
  const data = new Uint8Array(sheetWidth * sheetHeight * channels).fill(GUTTER_GREY);
  for (let i = 0; i < rows * columns; i++) {
    const left = (i % columns) * cellWidth + GUTTER;
    const top = Math.floor(i / columns) * cellHeight + GUTTER;
    for (let y = 0; y < height * scale; y++) {
      for (let x = 0; x < width * scale; x++) {
        const pixel = ((i * height + Math.floor(y / scale)) * width + Math.floor(x / scale)) * depth;
        const to = ((top + y) * sheetWidth + left + x) * channels;
        for (let c = 0; c < channels; c++) data[to + c] = i < count ? byte(values[pixel + c]!) : 0;
      }
    }
  }
  return { width: sheetWidth, height: sheetHeight, channels, data };
}

/** One of the images alone, pixel by pixel. */
export function single({ shape, values }: Images, i: number): Raster {
  const [, height, width, depth] = shape as [number, number, number, number];
  const size = height * width * depth;
  const data = Uint8Array.from(values.subarray(i * size, (i + 1) * size), byte);
  return { width, height, channels: depth === 1 ? 1 : 3, data };
}

/** [−1, 1] to 0 … 255, the inverse of k/127.5 − 1; what lies outside is clipped. */
function byte(value: number): number {
  return Math.min(255, Math.max(0, Math.round((value + 1) * 127.5)));
}
