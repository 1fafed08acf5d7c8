import { rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { greyscale, lowResolution } from '../src/index.js';

const unit = (k: number): number => k / 127.5 - 1;
const ofBytes = (bytes: number[], shape: [number, number, number, number]) =>
  tf.tensor4d(bytes.map(unit), shape);
const asBytes = (x: tf.Tensor) => Array.from(x.dataSync(), (value) => (value + 1) * 127.5);

onEachBackend(() => {
  it('low resolution is the mean of every block, a half rounded up, of each channel and image on its own', () => {
    tf.tidy(() => {
      // Of 2 × 4 pixels in two channels: the first block has means 2.5 and 100, the second 3.25 and 0.
      const pixels = [
        [0, 100],
        [4, 100],
        [3, 0],
        [3, 0],
        [2, 100],
        [4, 100],
        [3, 0],
        [4, 0],
      ].flat();
      const images = ofBytes([...pixels, ...pixels.map((k) => k + 155)], [2, 2, 4, 2]);
      const kept = lowResolution(2).reduce(images);
      expect(kept.shape).toEqual([2, 1, 2, 2]);
      expectAllClose(asBytes(kept), [3, 100, 3, 0, 158, 255, 158, 155], { absolute: 1e-4 });
    });
  });

  it('every sum of nine bytes has the mean that it has on paper, a half of four rounded up', () => {
    tf.tidy(() => {
      for (const [factor, sums] of [
        [3, [0, 4, 5, 13, 14, 2290, 2291, 2295]],
        [2, [1, 2, 3, 6, 1017, 1018, 1019, 1020]],
      ] as const) {
        const bytes = sums.flatMap((sum) =>
          Array.from({ length: factor ** 2 }, (_, i) => Math.floor((sum + i) / factor ** 2)),
        );
        const kept = lowResolution(factor).reduce(ofBytes(bytes, [sums.length, factor, factor, 1]));
        expectAllClose(
          asBytes(kept),
          sums.map((sum) => Math.floor(sum / factor ** 2 + 0.5)),
          { absolute: 1e-4 },
        );
      }
    });
  });

  it('enlarges every pixel to equal ones, of which the same is kept', () => {
    tf.tidy(() => {
      const { enlarge, reduce } = lowResolution(3);
      const kept = ofBytes([1, 200, 3, 4, 5, 6, 7, 255], [1, 2, 2, 2]);
      const large = enlarge(kept);
      expect(large.shape).toEqual([1, 6, 6, 2]);
      const rows = large.arraySync()[0]!;
      const few = kept.arraySync()[0]!;
      rows.forEach((row, y) => {
        row.forEach((pixel, x) => void expect(pixel).toEqual(few[Math.floor(y / 3)]![Math.floor(x / 3)]!));
      });
      expectAllClose(reduce(large), kept, { absolute: 1e-6 });
    });
  });

  it('luma of red, green, blue and white is as Rec. 601 weighs them', () => {
    tf.tidy(() => {
      const colours = [1, -1, -1, -1, 1, -1, -1, -1, 1, 1, 1, 1];
      const kept = greyscale.reduce(tf.tensor4d(colours, [1, 2, 2, 3]));
      expect(kept.shape).toEqual([1, 2, 2, 1]);
      expectAllClose(tf.reshape(kept, [-1]), [2 * 0.299 - 1, 2 * 0.587 - 1, 2 * 0.114 - 1, 1], {
        absolute: 1e-6,
      });
      expect(greyscale.enlarge(kept).dataSync()).toEqual(kept.dataSync());
    });
  });

  it('leaves no tensor behind', () =>
    expectNoLeak(() => {
      const images = rng(0).normal([2, 4, 4, 3]) as tf.Tensor4D;
      const made = [lowResolution(2), greyscale].flatMap(({ reduce, enlarge }) => {
        const kept = reduce(images);
        return [kept, enlarge(kept)];
      });
      tf.dispose([images, ...made]);
    }));
});

it('says what is kept of which images, and what nothing can be kept of', () => {
  expect(lowResolution(4).kept([28, 56, 3])).toEqual([7, 14, 3]);
  expect(greyscale.kept([5, 7, 3])).toEqual([5, 7, 1]);
  expect(() => lowResolution(5).kept([28, 28, 1])).toThrow(
    'factor is 5, expected a divisor of both sides of the images, 28 × 28',
  );
  expect(() => lowResolution(1)).toThrow('factor is 1, expected a whole number in 2 … 64');
  expect(() => lowResolution(4).kept([2])).toThrow('the examples have shape [2], expected images');
  expect(() => greyscale.kept([28, 28, 1])).toThrow('the images have 1 channel, expected the 3 of colour');
});
