/** Height, width and channels (1 or 3). */
export type ImageShape = readonly [height: number, width: number, channels: number];

/** How many numbers an image of the shape is. */
export function sizeOf([height, width, channels]: ImageShape): number {
  return height * width * channels;
}

export interface ImageSheet {
  /** In [−1, 1], one image after the other; undefined draws empty places. */
  readonly values: Float32Array | undefined;
  readonly shape: ImageShape;
  readonly count: number;
  readonly columns: number;
  /** Transparent pixels between the images. */
  readonly gap: number;
}

/** Draws images on a canvas, a pixel for a pixel, and makes it as large as that takes. */
export function drawImages(
  canvas: HTMLCanvasElement,
  { values, shape, count, columns, gap }: ImageSheet,
): void {
  const [height, width] = shape;
  const rows = Math.ceil(count / columns);
  canvas.width = columns * (width + gap) - gap;
  canvas.height = rows * (height + gap) - gap;
  const context = canvas.getContext('2d')!;
  const size = sizeOf(shape);
  for (let i = 0; i < count; i++) {
    const x = (i % columns) * (width + gap);
    const y = Math.floor(i / columns) * (height + gap);
    if (values === undefined || values.length < (i + 1) * size) {
      context.fillStyle = '#8883';
      context.fillRect(x, y, width, height);
    } else context.putImageData(toImageData(values.subarray(i * size, (i + 1) * size), shape), x, y);
  }
}

function toImageData(values: Float32Array, [height, width, channels]: ImageShape): ImageData {
  const image = new ImageData(width, height);
  const byte = (value: number): number => 127.5 * (value + 1);
  for (let i = 0; i < height * width; i++) {
    for (let c = 0; c < 3; c++)
      image.data[4 * i + c] = byte(values[i * channels + (channels === 3 ? c : 0)]!);
    image.data[4 * i + 3] = 255;
  }
  return image;
}
