import { onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import {
  adaptively,
  DORMAND_PRINCE_ORDER,
  dormandPrince,
  type Field,
  type State,
} from '../src/embedded-pair.js';

/** y′ = −y + 2 cos s, two examples beside one another; its solutions are cos s + sin s + c e^{−s}. */
const field: Field = async ([y], s) => [tf.tidy(() => tf.add(tf.neg(y!), 2 * Math.cos(s)))];
const solution = (s: number, c: number): number => Math.cos(s) + Math.sin(s) + c * Math.exp(-s);

/** One step from 0, its miss of the solution with c = 1, and the error that it tells. */
async function step(h: number): Promise<{ miss: number; told: number }> {
  const made: tf.Tensor[] = [];
  const own = (f: () => tf.Tensor): tf.Tensor => {
    made.push(tf.tidy(f));
    return made.at(-1)!;
  };
  const y = [tf.tensor2d([[2], [2]])];
  const slope = await field(y, 0);
  const attempt = await dormandPrince({ s: 0, to: h, y, slope }, field, own);
  const miss = Math.abs(attempt.y[0]!.dataSync()[0]! - solution(h, 1));
  const told = Math.abs(attempt.error[0]!.dataSync()[1]!);
  tf.dispose([y, slope, attempt.slope!, made] as unknown as tf.Tensor[]);
  return { miss, told };
}

onEachBackend(() => {
  test('a step of Dormand and Prince misses by the sixth power of its length, and tells an error of the fifth', async () => {
    const [long, short] = [await step(2), await step(1)];
    expect(Math.abs(Math.log2(long.miss / short.miss) - 6)).toBeLessThan(1);
    expect(Math.abs(Math.log2(long.told / short.told) - 5)).toBeLessThan(1);
    expect(short.miss).toBeLessThan(short.told);
  });

  test('a state of several tensors is followed forwards and backwards to within the tolerance', async () => {
    const both: Field = async ([y, z], s) => [
      ...(await field([y!], s)),
      tf.tidy(() => tf.mul(z!, -Math.sin(s))),
    ];
    for (const [from, to] of [
      [0, 5],
      [5, 0],
    ] as const) {
      const y0: State = [
        tf.tensor2d([[solution(from, 1)], [solution(from, from === 0 ? -2 : 1)]]),
        tf.tensor1d([1, 2].map((x) => x * Math.exp(Math.cos(from)))),
      ];
      const tolerance = 1e-5;
      const run = adaptively(dormandPrince, both, y0, { from, to, tolerance, order: DORMAND_PRINCE_ORDER });
      const visited: number[] = [];
      let next = await run.next();
      for (; !next.done; next = await run.next()) visited.push(next.value.to);
      const { y, slope } = next.value;
      expect(visited.at(-1)).toBe(to);
      const end = Array.from(y[0]!.dataSync());
      // Backwards an error grows as e⁵.
      expect(Math.abs(end[0]! - solution(to, 1))).toBeLessThan(from === 0 ? 1e-4 : 5e-3);
      if (from === 0) expect(Math.abs(end[1]! - solution(to, -2))).toBeLessThan(1e-4);
      for (const [i, z] of Array.from(y[1]!.dataSync()).entries())
        expect(Math.abs(z - (i + 1) * Math.exp(Math.cos(to)))).toBeLessThan(2e-4);
      expect(slope[0]!.dataSync()[0]).toBeCloseTo(2 * Math.cos(to) - end[0]!, 4);
      tf.dispose([...y0, ...y, ...slope]);
    }
  });

  test('where nothing changes there are few steps, and where it is steep they are short', async () => {
    const calm: Field = async ([y]) => [tf.zerosLike(y!)];
    const steep: Field = async ([y], s) => [tf.fill(y!.shape, 20 / Math.cosh(20 * (s - 0.5)) ** 2)];
    const lengths = async (f: Field): Promise<number[]> => {
      const y0 = [tf.zeros([2, 1])];
      const run = adaptively(dormandPrince, f, y0, { from: 0, to: 1, tolerance: 1e-4, order: 5 });
      const found: number[] = [];
      let next = await run.next();
      for (; !next.done; next = await run.next()) found.push(next.value.to - next.value.s);
      tf.dispose([...y0, ...next.value.y, ...next.value.slope]);
      return found;
    };
    expect((await lengths(calm)).length).toBeLessThan(5);
    const found = await lengths(steep);
    expect(Math.min(...found) * 4).toBeLessThan(Math.max(...found));
  });
}, ['cpu']);
