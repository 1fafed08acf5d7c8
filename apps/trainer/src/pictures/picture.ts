import { writeFile } from 'node:fs/promises';
import { spell } from '@diffusion-ts/datasets';
import { classesOf, isPoints, type RunConfig } from '@diffusion-ts/recipes';
import { Refusal, sentence } from '../errors.js';
import { animation, png, type Raster, rasterize } from './raster.js';
import { sheet } from './sheet.js';

/** What samples are samples of: it decides how they are shown. */
export interface Shown {
  readonly data: RunConfig['data'];
  /** Of one sample. */
  readonly shape: readonly number[];
}

/** A picture of samples `[count, …shape]`: a sheet of images in rows of `columns`, a cloud of points, or names. */
export async function picture(values: Float32Array, shown: Shown, columns: number): Promise<Raster> {
  if (shown.data.kind === 'names') return rasterize(text(spelled(values, shown), columns));
  if (isPoints(shown.data)) return rasterize(await scatterOf([values]));
  return sheet(await imagesOf(values, shown), columns);
}

/** Moments of a process side by side, each `[count, …shape]`: an image a row, or a cloud a moment. */
export async function strip(moments: readonly Float32Array[], shown: Shown): Promise<Raster> {
  if (isPoints(shown.data)) return rasterize(await scatterOf(moments));
  return picture(sideBySide(moments, shown), shown, moments.length);
}

/** The first example of each, then the second of each, and so on: of `[count, …shape]` each, one after the other. */
export function sideBySide(parts: readonly Float32Array[], { shape }: Shown): Float32Array {
  const size = sizeOf(shape);
  const count = parts[0]!.length / size;
  const values = new Float32Array(count * parts.length * size);
  parts.forEach((part, column) => {
    for (let row = 0; row < count; row++) {
      values.set(part.subarray(row * size, (row + 1) * size), (row * parts.length + column) * size);
    }
  });
  return values;
}

/** The names that samples are. */
export function spelled(values: Float32Array, { shape }: Shown): string[] {
  const length = sizeOf(shape);
  return Array.from({ length: values.length / length }, (_, i) =>
    spell(values.subarray(i * length, (i + 1) * length)),
  );
}

/** Samples as images of numbers of [−1, 1]. */
export async function imagesOf(
  values: Float32Array,
  { data, shape }: Shown,
): Promise<{ shape: number[]; values: Float32Array }> {
  if (data.kind === 'latents') {
    const { openFirstStage, decodedAll } = await import('../runs/first-stage.js');
    const stage = await openFirstStage(data);
    try {
      const images = await decodedAll(stage, values, data.scale ?? 1);
      return { shape: [images.length / sizeOf(stage.shape), ...stage.shape], values: images };
    } finally {
      stage.dispose();
    }
  }
  const count = values.length / sizeOf(shape);
  // A sequence is a row of pixels.
  return {
    shape: shape.length === 1 ? [count, 1, shape[0]!, 1] : [count, ...shape],
    // Of classes 0 and 1 black and white, and the mask after them grey.
    values: classesOf(data) === undefined ? values : values.map((state) => [-1, 1][state] ?? 0),
  };
}

const LINE = 18;

/** Words in columns. */
function text(words: readonly string[], columns: number): string {
  const [width, height] = [80 * columns, LINE * Math.ceil(words.length / columns) + 8];
  const placed = words.map(
    (word, i) =>
      `<text x="${8 + 80 * (i % columns)}" y="${LINE * (Math.floor(i / columns) + 1)}">${word}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="monospace" font-size="14">${placed.join('')}</svg>`;
}

/** Writes samples as a PNG, or points as an SVG where the name of the file ends so. */
export async function writePicture(
  file: string,
  values: Float32Array,
  shown: Shown,
  columns: number,
): Promise<void> {
  const isSvg = isPoints(shown.data) && file.endsWith('.svg');
  await written(file, isSvg ? await scatterOf([values]) : await png(await picture(values, shown, columns)));
}

/** Writes samples at moments of the reverse process as an animation, a GIF or a WebP as the name of the file ends. */
export async function writeAnimation(
  file: string,
  frames: readonly Float32Array[],
  shown: Shown,
  columns: number,
): Promise<void> {
  await written(file, await animation(file, frames.length, (i) => picture(frames[i]!, shown, columns)));
}

// The library for charts takes as long to load as all others together.
async function scatterOf(clouds: readonly Float32Array[]): Promise<string> {
  const { scatter } = await import('./charts.js');
  return scatter(clouds);
}

export async function written(file: string, contents: string | Uint8Array): Promise<void> {
  await writeFile(file, contents).catch((error) => {
    throw new Refusal(`${file} cannot be written: ${sentence(error)}.`, { cause: error });
  });
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}
