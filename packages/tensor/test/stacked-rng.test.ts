import { expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import type * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { rng, stackedRng } from '../src/index.js';

const read = (tensor: tf.Tensor): number[] => {
  const values = [...tensor.dataSync()];
  tensor.dispose();
  return values;
};

onEachBackend(() => {
  it('draws as row i what source i draws alone, in whatever company', () => {
    const stack = stackedRng([5, 900, 5].map(rng));
    for (const draw of [
      (source: typeof stack, rows: number) => read(source.normal([rows, 3])),
      (source: typeof stack, rows: number) => read(source.uniform([rows, 2, 2])),
      (source: typeof stack, rows: number) => read(source.integers([rows], 1000)),
      (source: typeof stack, rows: number) => [...source.doubles(rows)],
    ]) {
      const alone = [5, 900, 5].flatMap((seed) => draw(rng(seed).fork('a'), 1));
      expect(draw(stack.fork('a'), 3)).toEqual(alone);
      const size = alone.length / 3;
      expect(draw(stack.fork('a').rows(1), 2)).toEqual(alone.slice(size));
    }
  });

  it('never repeats a draw, and leaves nothing behind', () =>
    expectNoLeak(() => {
      const stack = stackedRng([rng(1), rng(2)]);
      expect(read(stack.normal([2, 2]))).not.toEqual(read(stack.normal([2, 2])));
      return [stack.normal([2, 2])];
    }));

  it('refuses to be of nothing, and rows that it has not', () => {
    expect(() => stackedRng([])).toThrow(/sources is empty/);
    expect(() => stackedRng([rng(1)]).normal([2, 1])).toThrow('2 rows were asked of 1 sources');
    expect(() => stackedRng([rng(1)]).rows(1)).toThrow('first must be a row of the 1 sources, not 1');
  });
});
