import { expectAllClose, useBackend } from '@diffusion-ts/testing';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { usualClasses } from '../src/idx.js';
import { DataError, fromIdx, parseIdx } from '../src/index.js';
import { idxBytes } from './bytes.js';

beforeAll(() => useBackend('cpu'));

const named = (bytes: Uint8Array, name = 'images.idx') => ({ name, bytes });

describe('parseIdx', () => {
  it('reads back what an IDX file holds, whatever its shape', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 5 }), (shape) => {
        const values = Uint8Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => i);
        // Wherever in a larger buffer the bytes lie.
        const file = idxBytes(shape, values);
        const padded = new Uint8Array(file.length + 3);
        padded.set(file, 3);
        expect(parseIdx(named(padded.subarray(3)))).toEqual({ shape, values });
      }),
    );
  });

  it('refuses every file cut short and every file that goes on, naming it', () => {
    const file = idxBytes([2, 3, 3], new Uint8Array(18));
    for (let length = 0; length < file.length; length++) {
      expect(() => parseIdx(named(file.subarray(0, length)))).toThrow(DataError);
    }
    expect(() => parseIdx(named(file.subarray(0, 20)))).toThrow(
      new DataError('images.idx is truncated: its header says 2×3×3, which takes 34 bytes, but it has 20'),
    );
    expect(() => parseIdx(named(file.subarray(0, 9)))).toThrow(
      new DataError('images.idx is truncated: its header of 3 dimensions takes 16 bytes, but it has 9'),
    );
    expect(() => parseIdx(named(new Uint8Array([...file, 0])))).toThrow(
      new DataError(
        'images.idx goes on after its end: its header says 2×3×3, which takes 34 bytes, but it has 35',
      ),
    );
  });

  it('refuses another format, and elements that are not bytes, showing how the file begins', () => {
    expect(() => parseIdx(named(new TextEncoder().encode('<html>')))).toThrow(
      new DataError(
        'images.idx is not an IDX file of bytes: it begins with 3c 68 74 6d, expected 00 00 08 and a number of dimensions',
      ),
    );
    expect(() => parseIdx(named(idxBytes([1], [0, 0, 0, 0], 0x0d)))).toThrow('it begins with 00 00 0d 01');
    expect(() => parseIdx(named(new Uint8Array(0)))).toThrow('it begins with nothing');
    expect(() => parseIdx(named(Uint8Array.of(0, 0, 8, 0)))).toThrow('it begins with 00 00 08 00');
  });

  it('refuses a header that claims more than any memory holds, without allocating it', () => {
    const huge = idxBytes([2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1], []);
    expect(() => parseIdx(named(huge))).toThrow(/is truncated: its header says 4294967295×4294967295/);
  });

  it('never answers random bytes with anything but a DataError', () => {
    const start = fc.constantFrom([], [0, 0, 8], [0, 0, 8, 1, 0, 0, 0]);
    fc.assert(
      fc.property(start, fc.uint8Array({ maxLength: 40 }), (first, rest) => {
        try {
          const { shape, values } = parseIdx(named(new Uint8Array([...first, ...rest])));
          expect(values.length).toBe(shape.reduce((a, b) => a * b, 1));
        } catch (error) {
          if (!(error instanceof DataError)) throw error;
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('fromIdx', () => {
  const images = named(idxBytes([3, 2, 2], [0, 255, 51, 102, 1, 2, 3, 4, 5, 6, 7, 8]));

  it('is a dataset of [height, width, 1] images and their labels', async () => {
    const dataset = fromIdx({ images, labels: named(idxBytes([3], [9, 0, 4]), 'labels.idx') });
    expect([dataset.size, dataset.shape, dataset.classes?.length]).toEqual([3, [2, 2, 1], 10]);
    const { x0, condition } = await dataset.batch([0, 2]);
    expectAllClose(x0, [-1, 1, -0.6, -0.2, ...[5, 6, 7, 8].map((k) => k / 127.5 - 1)], { absolute: 1e-7 });
    expect([...condition!.label!.dataSync()]).toEqual([9, 4]);
  });

  it('does without labels', async () => {
    expect((await fromIdx({ images }).batch([1])).condition).toBeUndefined();
  });

  it('refuses labels that are not as many as the images, naming both files', () => {
    expect(() => fromIdx({ images, labels: named(idxBytes([2], [0, 1]), 'labels.idx') })).toThrow(
      new DataError('labels.idx has 2 labels, expected one for each of the 3 images of images.idx'),
    );
  });

  it('refuses a label that is none of the classes, naming the file and the place', () => {
    const labels = named(idxBytes([3], [0, 1, 10]), 'labels.idx');
    const eleven = Array.from({ length: 11 }, (_, k) => `class ${k}`);
    expect(() => fromIdx({ images, labels, classes: eleven.slice(1) })).toThrow(
      new DataError('labels.idx has 10 at 2, expected one of the 10 classes 0 … 9'),
    );
    expect(fromIdx({ images, labels, classes: eleven }).classes?.[10]).toBe('class 10');
  });

  it('counts labels that are no digits from 0, in their order, each called by its number', async () => {
    const letters = fromIdx({ images, labels: named(idxBytes([3], [26, 1, 17])) });
    expect(letters.classes).toEqual(['1', '17', '26']);
    const { condition } = await letters.batch([0, 1, 2]);
    expect([...condition!.label!.dataSync()]).toEqual([2, 0, 1]);
  });

  it('gives test labels the classes that the training labels have, though some of them are missing there', async () => {
    const train = named(idxBytes([4], [3, 26, 1, 3]), 'train.idx');
    expect(usualClasses(train)).toEqual([1, 3, 26]);
    const labels = named(idxBytes([3], [26, 26, 1]), 'test.idx');
    const test = fromIdx({ images, labels, classes: usualClasses(train) });
    expect(test.classes).toEqual(['1', '3', '26']);
    expect([...(await test.batch([0, 2])).condition!.label!.dataSync()]).toEqual([2, 0]);
    expect(() => fromIdx({ images, labels, classes: [1, 3] })).toThrow(
      new DataError('test.idx has the label 26, expected one of the labels 1, 3'),
    );
  });

  it('refuses images and labels in each other’s place, and files without images', () => {
    const labels = named(idxBytes([3], [0, 1, 2]), 'labels.idx');
    expect(() => fromIdx({ images: labels, labels: images })).toThrow(
      new DataError('labels.idx has the shape 3, expected images×height×width'),
    );
    expect(() => fromIdx({ images, labels: images })).toThrow(
      new DataError('images.idx has the shape 3×2×2, expected one label for each image'),
    );
    expect(() => fromIdx({ images: named(idxBytes([0, 28, 28], [])) })).toThrow('has the shape 0×28×28');
  });
});
