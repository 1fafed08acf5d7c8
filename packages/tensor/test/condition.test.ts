import { expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { type Condition, chooseRows, joinRows, takeRows } from '../src/index.js';

/** A condition of so many rows, of every rank and type that one may have: numbers tell row and element. */
function condition(rows: number, from = 0): Condition {
  const count = (perRow: number) => Array.from({ length: rows * perRow }, (_, i) => from * perRow + i);
  return {
    label: tf.tensor1d(count(1), 'int32'),
    text: tf.tensor3d(count(6), [rows, 3, 2]),
    image: tf.tensor4d(count(8), [rows, 2, 2, 2]),
    known: tf.tensor2d(
      count(5).map((i) => i % 3 === 0),
      [rows, 5],
      'bool',
    ),
  };
}

const values = (condition: Condition) =>
  Object.fromEntries(
    Object.entries(condition).map(([name, tensor]) => [
      name,
      { dtype: tensor.dtype, shape: tensor.shape, values: [...tensor.dataSync()].map(Number) },
    ]),
  );
const mask = (...bits: boolean[]) => tf.tensor1d(bits, 'bool');

onEachBackend(() => {
  describe('takeRows', () => {
    it('takes rows first … first + count − 1 of every tensor, whatever its rank and type', () => {
      expect(values(takeRows(condition(5), 1, 3))).toEqual(values(condition(3, 1)));
      expect(values(takeRows(condition(5), 4, 1))).toEqual(values(condition(1, 4)));
      expect(values(takeRows(condition(2), 0, 2))).toEqual(values(condition(2)));
    });

    it('takes nothing of a condition that names nothing', () => {
      expect(takeRows({}, 3, 4)).toEqual({});
    });

    it('gives tensors of its own, also of all rows', () => {
      const label = tf.tensor1d([1, 2], 'int32');
      takeRows({ label }, 0, 2).label!.dispose();
      expect([...label.dataSync()]).toEqual([1, 2]);
    });

    it('refuses rows that are not there', () => {
      const label = tf.tensor1d([1, 2, 3], 'int32');
      expect(() => takeRows({ label }, 2, 2)).toThrow(
        new RangeError('condition: "label", int32 [3], has no 2 rows from row 2 on'),
      );
      expect(() => takeRows({ label }, -1, 2)).toThrow(RangeError);
      expect(() => takeRows({ label: tf.scalar(1) }, 0, 1)).toThrow('"label", float32 [], has no 1 rows');
    });

    it('leaves no tensor behind', async () => {
      const all = condition(4);
      await expectNoLeak(() => takeRows(all, 1, 2));
      const other = { ...all, more: tf.ones([2]) };
      await expectNoLeak(() => {
        expect(() => takeRows(other, 1, 2)).toThrow(RangeError);
      });
    });
  });

  describe('joinRows', () => {
    it('puts the rows of the second after those of the first, whatever their rank and type', () => {
      expect(values(joinRows(condition(2), condition(3, 2)))).toEqual(values(condition(5)));
    });

    it('undoes takeRows', () => {
      const all = condition(5);
      expect(values(joinRows(takeRows(all, 0, 2), takeRows(all, 2, 3)))).toEqual(values(all));
    });

    it('goes by name, in the order of the first', () => {
      const a = { p: tf.tensor1d([1]), q: tf.tensor1d([2]) };
      const b = { q: tf.tensor1d([4]), p: tf.tensor1d([3]) };
      expect(Object.entries(values(joinRows(a, b))).map(([name, { values }]) => [name, ...values])).toEqual([
        ['p', 1, 3],
        ['q', 2, 4],
      ]);
    });

    it('refuses a name that is in one of them only, whichever', () => {
      const a = { label: tf.tensor1d([1]) };
      const b = { label: tf.tensor1d([1]), text: tf.tensor1d([1]) };
      const message = new RangeError('condition: "text" is in one of the two only');
      expect(() => joinRows(a, b)).toThrow(message);
      expect(() => joinRows(b, a)).toThrow(message);
    });

    it('refuses rows of two shapes or types', () => {
      expect(() => joinRows({ image: tf.ones([2, 3]) }, { image: tf.ones([2, 4]) })).toThrow(
        new RangeError(
          'condition: "image" is float32 [2,3] and float32 [2,4], expected rows of one shape and type',
        ),
      );
      expect(() => joinRows({ label: tf.ones([2]) }, { label: tf.ones([2], 'int32') })).toThrow(
        'condition: "label" is float32 [2] and int32 [2], expected rows',
      );
    });

    it('leaves no tensor behind', async () => {
      const [a, b] = [condition(2), condition(3)];
      await expectNoLeak(() => joinRows(a, b));
      const other = { ...b, known: a.label! };
      await expectNoLeak(() => {
        expect(() => joinRows(a, other)).toThrow(RangeError);
      });
    });
  });

  describe('chooseRows', () => {
    it('takes a row of the first where the mask is true and of the second elsewhere', () => {
      const [a, b] = [condition(3, 10), condition(3)];
      const expected = joinRows(joinRows(takeRows(a, 0, 1), takeRows(b, 1, 1)), takeRows(a, 2, 1));
      expect(values(chooseRows(mask(true, false, true), a, b))).toEqual(values(expected));
    });

    it('takes all of one where the mask is all true, and of the other where it is all false', () => {
      const [a, b] = [condition(2, 10), condition(2)];
      expect(values(chooseRows(mask(true, true), a, b))).toEqual(values(a));
      expect(values(chooseRows(mask(false, false), a, b))).toEqual(values(b));
    });

    it('repeats a single row of the first wherever it is chosen', () => {
      const [empty, b] = [condition(1, 10), condition(3)];
      const thrice = joinRows(joinRows(empty, empty), empty);
      const which = mask(true, false, true);
      expect(values(chooseRows(which, empty, b))).toEqual(values(chooseRows(which, thrice, b)));
    });

    it('leaves to the second what the first does not name', () => {
      const b = condition(2);
      const chosen = chooseRows(mask(true, true), { label: tf.tensor1d([7], 'int32') }, b);
      expect(values(chosen)).toEqual({ ...values(b), label: { dtype: 'int32', shape: [2], values: [7, 7] } });
      chosen.text!.dispose();
      expect(b.text!.isDisposed).toBe(false);
    });

    it('refuses what the second does not name', () => {
      expect(() => chooseRows(mask(true), { label: tf.ones([1]) }, {})).toThrow(
        new RangeError('condition: "label" is missing'),
      );
    });

    it('refuses rows of two shapes or types', () => {
      expect(() =>
        chooseRows(mask(true, true), { label: tf.ones([1]) }, { label: tf.ones([2], 'int32') }),
      ).toThrow(
        new RangeError(
          'condition: "label" is float32 [1] and int32 [2], expected rows of one shape and type',
        ),
      );
    });

    it('refuses a mask that has not one entry for each row', () => {
      const refusal = (which: tf.Tensor1D, a: number, b: number) =>
        expect(() => chooseRows(which, { text: tf.ones([a, 2]) }, { text: tf.ones([b, 2]) }));
      refusal(mask(true), 2, 2).toThrow(
        new RangeError(
          'condition: "text" is float32 [2,2] and float32 [2,2], of which a mask of 1 cannot choose',
        ),
      );
      refusal(mask(true, true, false), 1, 2).toThrow('a mask of 3 cannot choose');
      refusal(mask(true, true, false), 2, 3).toThrow('a mask of 3 cannot choose');
      refusal(mask(true, true, false), 3, 1).toThrow('a mask of 3 cannot choose');
    });

    it('leaves no tensor behind', async () => {
      const [a, b, which] = [condition(1), condition(2), mask(true, false)];
      await expectNoLeak(() => chooseRows(which, a, b));
      await expectNoLeak(() => chooseRows(which, {}, b));
      const other = { ...a, known: a.label! };
      await expectNoLeak(() => {
        expect(() => chooseRows(which, other, b)).toThrow(RangeError);
      });
    });
  });
});
