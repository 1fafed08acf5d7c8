import { writeFile } from 'node:fs/promises';
import { Refusal, sentence } from '../errors.js';
import { gif, png, type Raster, rasterize } from './raster.js';
import { sheet } from './sheet.js';

/** A picture of samples `[count, …shape]`: a sheet of images in rows of `columns`, or a cloud of points. */
export async function picture(
  values: Float32Array,
  shape: readonly number[],
  columns: number,
): Promise<Raster> {
  if (shape.length === 1) return rasterize(await scatterOf([values]));
  return sheet({ shape: [values.length / sizeOf(shape), ...shape], values }, columns);
}

/** Moments of a process side by side, each `[count, …shape]`: an image a row, or a cloud a moment. */
export async function strip(moments: readonly Float32Array[], shape: readonly number[]): Promise<Raster> {
  if (shape.length === 1) return rasterize(await scatterOf(moments));
  const size = sizeOf(shape);
  const count = moments[0]!.length / size;
  const values = new Float32Array(count * moments.length * size);
  moments.forEach((moment, column) => {
    for (let row = 0; row < count; row++) {
      values.set(moment.subarray(row * size, (row + 1) * size), (row * moments.length + column) * size);
    }
  });
  return sheet({ shape: [count * moments.length, ...shape], values }, moments.length);
}

/** Writes samples as a PNG, or points as an SVG where the name of the file ends so. */
export async function writePicture(
  file: string,
  values: Float32Array,
  shape: readonly number[],
  columns: number,
): Promise<void> {
  const isSvg = shape.length === 1 && file.endsWith('.svg');
  await written(file, isSvg ? await scatterOf([values]) : await png(await picture(values, shape, columns)));
}

/** Writes samples at moments of the reverse process as an animation. */
export async function writeAnimation(
  file: string,
  frames: readonly Float32Array[],
  shape: readonly number[],
  columns: number,
): Promise<void> {
  await written(file, await gif(frames.length, (i) => picture(frames[i]!, shape, columns)));
}

// The library for charts takes as long to load as all others together.
async function scatterOf(clouds: readonly Float32Array[]): Promise<string> {
  const { scatter } = await import('./charts.js');
  return scatter(clouds);
}

async function written(file: string, contents: string | Uint8Array): Promise<void> {
  await writeFile(file, contents).catch((error) => {
    throw new Refusal(`The picture cannot be written to ${file}: ${sentence(error)}.`, { cause: error });
  });
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}
