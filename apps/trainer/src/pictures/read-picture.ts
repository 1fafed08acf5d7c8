import sharp from 'sharp';
import { Refusal, sentence } from '../errors.js';

/** The numbers of a picture in [−1, 1], row-major, and its `[height, width, channels]`. */
export interface ReadPicture {
  readonly shape: readonly [height: number, width: number, channels: number];
  readonly values: Float32Array;
}

/**
 * A picture of a file in grey or in colour, turned as its EXIF data says, on white where it is transparent. Where it has none of
 * the sizes `[height, width]`, it is scaled so that it covers the first of them, and cropped about its centre.
 * @throws Refusal if there is no picture in the file.
 */
export async function readPicture(
  file: string,
  channels: number,
  sizes: readonly (readonly [height: number, width: number])[],
): Promise<ReadPicture> {
  try {
    const { autoOrient } = await sharp(file).metadata();
    const [height, width] =
      sizes.find(([height, width]) => height === autoOrient.height && width === autoOrient.width) ??
      sizes[0]!;
    const bytes = await sharp(file, { failOn: 'error' })
      .autoOrient()
      .resize(width, height, { fit: 'cover', position: 'centre' })
      .flatten({ background: 'white' })
      .toColourspace(channels === 1 ? 'b-w' : 'srgb')
      .raw()
      .toBuffer();
    return { shape: [height, width, channels], values: Float32Array.from(bytes, (k) => k / 127.5 - 1) };
  } catch (error) {
    throw new Refusal(`${file} cannot be read as a picture: ${sentence(error)}.`, { cause: error });
  }
}

/**
 * The `[height, width]` of a picture, turned as its EXIF data says.
 * @throws Refusal if there is no picture in the file.
 */
export async function pictureSize(file: string): Promise<[height: number, width: number]> {
  try {
    const { autoOrient } = await sharp(file).metadata();
    return [autoOrient.height, autoOrient.width];
  } catch (error) {
    throw new Refusal(`${file} cannot be read as a picture: ${sentence(error)}.`, { cause: error });
  }
}
