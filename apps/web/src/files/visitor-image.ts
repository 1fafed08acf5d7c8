import type { ImageShape } from '../ui/image-canvas.js';

const SIZE = 64;
const MAX_BYTES = 50_000_000;

/**
 * A picture of the visitor's, its middle square as 64 × 64 pixels in [−1, 1].
 * @throws RangeError with one sentence, if the file is no picture that the browser can show.
 */
export async function visitorImage(file: File): Promise<{ values: Float32Array; shape: ImageShape }> {
  if (file.size > MAX_BYTES)
    throw new RangeError(`${file.name} has ${Math.round(file.size / 1e6)} MB, too many.`);
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new RangeError(`${file.name} is no picture that this browser can read.`);
  }
  const canvas = new OffscreenCanvas(SIZE, SIZE);
  const context = canvas.getContext('2d')!;
  // As the command line does: what is transparent is white.
  context.fillStyle = '#fff';
  context.fillRect(0, 0, SIZE, SIZE);
  const side = Math.min(bitmap.width, bitmap.height);
  context.imageSmoothingQuality = 'high';
  context.drawImage(
    bitmap,
    (bitmap.width - side) / 2,
    (bitmap.height - side) / 2,
    side,
    side,
    0,
    0,
    SIZE,
    SIZE,
  );
  bitmap.close();
  const { data } = context.getImageData(0, 0, SIZE, SIZE);
  const values = new Float32Array(SIZE * SIZE * 3);
  for (let i = 0; i < SIZE * SIZE; i++)
    for (let c = 0; c < 3; c++) values[3 * i + c] = data[4 * i + c]! / 127.5 - 1;
  return { values, shape: [SIZE, SIZE, 3] };
}
