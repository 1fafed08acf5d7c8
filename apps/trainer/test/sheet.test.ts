import type { Network } from '@diffusion-ts/recipes';
import { describe, expect, it } from 'vitest';
import { sheet } from '../src/pictures/sheet.js';
import { columnsOf } from '../src/runs/sample-run.js';

describe('a sheet', () => {
  it('maps −1, 0 and 1 to 0, 128 and 255, clips beyond, and leaves cells without an image black', () => {
    // Three 1×1 images in rows of two, with gutters of two pixels: each cell is enlarged 300 times.
    const { width, height, channels, data } = sheet(
      { shape: [3, 1, 1, 1], values: Float32Array.of(-1, 0, 7) },
      2,
    );
    expect([width, height, channels]).toEqual([606, 606, 1]);
    const pixel = (x: number, y: number) => data[y * width + x];
    expect([pixel(2, 2), pixel(301, 301)]).toEqual([0, 0]);
    expect([pixel(304, 2), pixel(603, 301)]).toEqual([128, 128]);
    expect(pixel(2, 304)).toBe(255);
    expect(pixel(304, 304)).toBe(0);
    expect([pixel(0, 0), pixel(302, 5), pixel(605, 605)]).toEqual([64, 64, 64]);
  });

  it('keeps colours and the sides of images that are not square', () => {
    const values = Float32Array.from({ length: 2 * 3 * 3 }, (_, i) => (i % 3 === 0 ? 1 : -1));
    const { width, height, channels, data } = sheet({ shape: [1, 2, 3, 3], values }, 1);
    expect([width, height, channels]).toEqual([604, 404, 3]);
    expect([...data.subarray((200 * width + 300) * 3, (200 * width + 300) * 3 + 3)]).toEqual([255, 0, 0]);
  });

  it('has a column for each class where they come out even, and is full and nearly square otherwise', () => {
    const ten = { classes: 10 } as Network;
    const none = {} as Network;
    expect([60, 100, 10].map((count) => columnsOf(ten, count))).toEqual([10, 10, 10]);
    expect([64, 16, 15, 7, 1].map((count) => columnsOf(ten, count))).toEqual([8, 4, 5, 3, 1]);
    expect(columnsOf(ten, 60, false), 'one class alone').toBe(10);
    expect([64, 12, 60, 2].map((count) => columnsOf(none, count))).toEqual([8, 4, 10, 2]);
    expect(columnsOf({ classes: 1000 } as Network, 64), 'too many classes for columns').toBe(8);
  });
});
