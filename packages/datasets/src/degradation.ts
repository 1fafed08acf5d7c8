import * as tf from '@tensorflow/tfjs-core';

/** What is kept of an image, and how that is laid out as an image of the same pixels again, beside which a network can see it. */
export interface Degradation {
  /**
   * The shape of what is kept of an image of this shape, `[height, width, channels]` of both.
   * @throws RangeError if nothing can be kept of such images.
   */
  kept(shape: readonly number[]): readonly [height: number, width: number, channels: number];
  /** Images `[batch, height, width, channels]` in [−1, 1] to what is kept of them. The result belongs to the caller. */
  reduce(images: tf.Tensor4D): tf.Tensor4D;
  /** What is kept to images of the pixels of x_0. The result belongs to the caller. */
  enlarge(kept: tf.Tensor4D): tf.Tensor4D;
}

/**
 * Keeps the mean of every `factor` × `factor` pixels as a whole grey value k/127.5 − 1, as a file of a picture would hold it,
 * a half rounded up; enlarged, it is `factor` × `factor` equal pixels, so that what is kept of those is the same again.
 * @throws RangeError if `factor` is no whole number from 2 to 64; from `kept`, if it does not divide the sides of the images.
 */
export function lowResolution(factor: number): Degradation {
  if (!Number.isInteger(factor) || factor < 2 || factor > 64) {
    throw new RangeError(`factor is ${factor}, expected a whole number in 2 … 64`);
  }
  return {
    kept(shape) {
      const [height, width, channels] = ofImage(shape);
      if (height % factor === 0 && width % factor === 0) return [height / factor, width / factor, channels];
      throw new RangeError(
        `factor is ${factor}, expected a divisor of both sides of the images, ${height} × ${width}`,
      );
    },
    reduce: (images) =>
      tf.tidy(() => {
        const bytes = tf.round(tf.mul(tf.add(images, 1), 127.5)) as tf.Tensor4D;
        const means = tf.avgPool(bytes, factor, factor, 'valid');
        // Means are multiples of 1/factor²: a quarter of that more than a half keeps halves clear of rounding errors.
        const whole = tf.floor(tf.add(means, 0.5 + 0.25 / factor ** 2));
        return tf.sub(tf.div(whole, 127.5), 1) as tf.Tensor4D;
      }),
    enlarge: (kept) =>
      tf.tidy(() => {
        const [batch, height, width, channels] = kept.shape;
        const rows = tf.tile(tf.reshape(kept, [-1, 1, channels]), [1, factor, 1]);
        const images = tf.tile(tf.reshape(rows, [-1, 1, width * factor * channels]), [1, factor, 1]);
        return tf.reshape(images, [batch, height * factor, width * factor, channels]);
      }),
  };
}

// Rec. 601, of red, green and blue as they are stored.
const LUMA = [0.299, 0.587, 0.114];

/**
 * Keeps the luma 0.299 R + 0.587 G + 0.114 B of colour images, one channel: what is told to a network that colours.
 * @throws RangeError from its `kept`, if the images have not three channels.
 */
export const greyscale: Degradation = {
  kept(shape) {
    const [height, width, channels] = ofImage(shape);
    if (channels === 3) return [height, width, 1];
    throw new RangeError(
      `the images have ${channels} channel, expected the 3 of colour, of which luma is kept`,
    );
  },
  reduce: (images) => tf.tidy(() => tf.sum(tf.mul(images, LUMA), 3, true) as tf.Tensor4D),
  enlarge: (kept) => tf.clone(kept),
};

function ofImage(shape: readonly number[]): readonly [number, number, number] {
  if (shape.length === 3) return shape as unknown as readonly [number, number, number];
  throw new RangeError(`the examples have shape [${shape}], expected images [height, width, channels]`);
}
