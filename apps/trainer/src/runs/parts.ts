import type { Network } from '@diffusion-ts/recipes';
import { isOutOfMemory } from '../errors.js';

// A layer of a network for all examples of a part: 64 MB, of which a U-Net holds a dozen at a time.
const NUMBERS = 2 ** 24;
// Beyond these, more at a time is no faster.
const IMAGES = 64;
const POINTS = 4096;

/** How many examples go through a network at a time where nothing is learned: a matter of speed and memory alone. */
export function partOf({ shape, isImage, config }: Network): number {
  // A level of a U-Net has a quarter of the pixels of the one above it.
  const layer = isImage
    ? shape[0]! *
      shape[1]! *
      Math.max(...(config.block_out_channels as number[]).map((channels, level) => channels / 4 ** level))
    : (config.hidden as number);
  const fitting = Math.floor(NUMBERS / layer);
  return Math.max(1, Math.min(isImage ? IMAGES : POINTS, fitting));
}

/** Does the work for `count` examples in parts of at most `most`, and in smaller ones once memory has run out. */
export async function inParts(
  count: number,
  most: number,
  work: (first: number, rows: number) => Promise<void>,
): Promise<void> {
  let part = most;
  for (let first = 0; first < count; ) {
    const rows = Math.min(part, count - first);
    try {
      await work(first, rows);
      first += rows;
    } catch (error) {
      part = fewer(rows, error);
    }
  }
}

/** Does work that takes its own parts, of at most `most`; it begins anew with smaller ones where memory runs out. */
export async function withParts<T>(most: number, work: (part: number) => Promise<T>): Promise<T> {
  for (let part = most; ; ) {
    try {
      return await work(part);
    } catch (error) {
      part = fewer(part, error);
    }
  }
}

/** Half as many, where that may help; otherwise it throws the error on. */
function fewer(part: number, error: unknown): number {
  if (part === 1 || !isOutOfMemory(error)) throw error;
  const half = Math.ceil(part / 2);
  console.error(`\nThere is not enough memory for ${part} at a time: going on with ${half}.`);
  return half;
}
