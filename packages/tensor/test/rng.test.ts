import { expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import { expect, it } from 'vitest';
import { philox, type Rng, rng } from '../src/index.js';

// Pinned when first drawn: a change here changes every run that anyone has seeded.
const pinned = [-0.9701898097991943, 0.19401895999908447, -1.635977864265442, 0.09053567796945572];

const draw = (source: Rng, shape: readonly number[]): number[] => {
  const tensor = source.normal(shape);
  const values = [...tensor.dataSync()];
  tensor.dispose();
  return values;
};

onEachBackend(() => {
  it('draws the numbers that the seed alone determines, bit for bit', () => {
    expect(draw(rng(42), [2, 2])).toEqual(pinned);
  });

  it('gives sample i the same numbers whatever the batch size', () => {
    const alone = draw(rng(7), [1, 5]);
    const first = draw(rng(7), [64, 5]).slice(0, 5);
    expect(first).toEqual(alone);
  });

  it('gives a batch that starts at row 3 the rows from 3 on', () => {
    const whole = draw(rng(7), [8, 6]);
    const rest = draw(rng(7).rows(3), [5, 6]);
    expect(rest).toEqual(whole.slice(18));
  });

  it('numbers rows through nested offsets', () => {
    expect(draw(rng(7).rows(2).rows(3), [1, 4])).toEqual(draw(rng(7).rows(5), [1, 4]));
  });

  it('never repeats a draw', () => {
    const source = rng(1);
    expect(draw(source, [4])).not.toEqual(draw(source, [4]));
  });

  it('keeps its row through a fork', () => {
    const all = draw(rng(7).fork('noise'), [5, 2]);
    expect(draw(rng(7).rows(3).fork('noise'), [2, 2])).toEqual(all.slice(6));
  });

  it('forks by label alone, whatever was drawn before', () => {
    const source = rng(1);
    const before = draw(source.fork('noise'), [4]);
    draw(source, [100]);
    expect(draw(source.fork('noise'), [4])).toEqual(before);
  });

  it('keeps forks with different labels, and a fork and its parent, apart', () => {
    const streams = [
      rng(1),
      rng(1).fork(0),
      rng(1).fork(1),
      rng(1).fork('0'),
      rng(1).fork('a'),
      rng(2),
      rng(2 ** 32 + 1),
    ];
    const seen = new Set(streams.map((stream) => draw(stream, [2]).join()));
    expect(seen.size).toBe(streams.length);
  });

  it('draws normals of mean 0, variance 1, skewness 0 and kurtosis 3', () => {
    const n = 200_000;
    const x = draw(rng(3), [n / 100, 100]);
    const moment = (k: number): number => x.reduce((sum, v) => sum + v ** k, 0) / n;
    // Five standard errors of each moment: √(1/n), √(2/n), √(15/n), √(96/n).
    expect(Math.abs(moment(1))).toBeLessThan(5 * Math.sqrt(1 / n));
    expect(Math.abs(moment(2) - 1)).toBeLessThan(5 * Math.sqrt(2 / n));
    expect(Math.abs(moment(3))).toBeLessThan(5 * Math.sqrt(15 / n));
    expect(Math.abs(moment(4) - 3)).toBeLessThan(5 * Math.sqrt(96 / n));
  });

  it('draws uniforms in [0, 1) with mean 1/2 and variance 1/12', () => {
    const n = 100_000;
    const tensor = rng(3).uniform([n]);
    const x = tensor.dataSync<'float32'>();
    tensor.dispose();
    const mean = x.reduce((sum, v) => sum + v, 0) / n;
    const variance = x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / n;
    expect(Math.min(...x.slice(0, 1000))).toBeGreaterThanOrEqual(0);
    expect(x.every((v) => v >= 0 && v < 1)).toBe(true);
    expect(Math.abs(mean - 0.5)).toBeLessThan(5 * Math.sqrt(1 / 12 / n));
    expect(Math.abs(variance - 1 / 12)).toBeLessThan(5 * Math.sqrt(1 / 180 / n));
  });

  it('draws every integer below max equally often', () => {
    const n = 70_000;
    const tensor = rng(3).integers([n], 7);
    const counts = new Array<number>(7).fill(0);
    for (const v of tensor.dataSync()) counts[v]!++;
    tensor.dispose();
    const chiSquared = counts.reduce((sum, count) => sum + (count - n / 7) ** 2 / (n / 7), 0);
    // 0.9999 quantile of χ² with 6 degrees of freedom.
    expect(chiSquared).toBeLessThan(27.86);
  });

  it('leaves no tensor behind', () =>
    expectNoLeak(() => [rng(1).normal([3, 2]), rng(1).uniform([3]), rng(1).fork('x').integers([], 5)]));
});

// Pinned when first drawn, as above.
const pinnedDoubles = [0.6129598801477738, 0.2612414769172763, 0.6089577002989808];

it('draws doubles that the seed alone determines, bit for bit', () => {
  expect([...rng(42).doubles(3)]).toEqual(pinnedDoubles);
});

it('gives the i-th double the same bits whatever the count, and from whichever row it starts', () => {
  const all = rng(7).doubles(50);
  expect(rng(7).doubles(3)).toEqual(all.slice(0, 3));
  expect(rng(7).rows(20).doubles(30)).toEqual(all.slice(20));
});

it('never repeats a draw of doubles, nor one of another kind', () => {
  const source = rng(1);
  const draws = [source.doubles(2), source.doubles(2), rng(1).fork('x').doubles(2), rng(2).doubles(2)];
  expect(new Set(draws.map(String)).size).toBe(4);
});

it('draws doubles that are whole multiples of 2⁻⁵³ in [0, 1), of 53 bits each as often 0 as 1', () => {
  const n = 20_000;
  const ones = new Array<number>(53).fill(0);
  for (const x of rng(5).doubles(n)) {
    expect(x >= 0 && x < 1).toBe(true);
    let bits = BigInt(x * 2 ** 53);
    expect(Number(bits)).toBe(x * 2 ** 53);
    for (let i = 0; i < 53; i++, bits >>= 1n) ones[i]! += Number(bits & 1n);
  }
  // Five standard errors of a binomial of n halves.
  for (const count of ones) expect(Math.abs(count - n / 2)).toBeLessThan(5 * Math.sqrt(n / 4));
});

it('draws doubles of mean 1/2 and variance 1/12, that do not go with the one before', () => {
  const n = 100_000;
  const x = rng(3).doubles(n);
  const average = (f: (v: number, i: number) => number) => x.reduce((sum, v, i) => sum + f(v, i), 0) / n;
  expect(Math.abs(average((v) => v) - 0.5)).toBeLessThan(5 * Math.sqrt(1 / 12 / n));
  expect(Math.abs(average((v) => (v - 0.5) ** 2) - 1 / 12)).toBeLessThan(5 * Math.sqrt(1 / 180 / n));
  expect(Math.abs(average((v, i) => (v - 0.5) * ((x[i - 1] ?? 0.5) - 0.5)))).toBeLessThan(
    5 / 12 / Math.sqrt(n),
  );
});

it('makes a double of the first two words of its row’s stream: 27 bits of one, then 26 of the other', () => {
  const words = new Uint32Array(4);
  philox(words, 0, 4, 0, 0, 9, 0);
  const [first, second] = words;
  expect(rng(9).doubles(5)[4]).toBe(Number((BigInt(first! >>> 5) << 26n) | BigInt(second! >>> 6)) / 2 ** 53);
});

it('draws no doubles where none are asked for', () => {
  expect(rng(0).doubles(0)).toEqual(new Float64Array(0));
});

it('refuses a seed that is not a whole number', () => {
  expect(() => rng(0.5)).toThrow(new RangeError('seed must be a whole number in 0 … 2⁵³ − 1, not 0.5'));
  expect(() => rng(-1)).toThrow(RangeError);
});

it('refuses a max below 1', () => {
  expect(() => rng(0).integers([2], 0)).toThrow(
    new RangeError('max must be a whole number in 1 … 2³¹, not 0'),
  );
});
