import { expectAllClose, golden } from '@diffusion-ts/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  between,
  constantFraction,
  every,
  leading,
  linear,
  linspace,
  sections,
  strided,
  type Times,
  times,
  trailing,
} from '../src/index.js';

/** The times of a discrete schedule of so many steps, from noise to data, without the data. */
const kept = (steps: number, list: Times) => [...list(constantFraction({ steps })).slice(0, -1)];
const rising = (steps: number, list: Times) => kept(steps, list).reverse();

describe('the golden respacings', () => {
  const rows =
    golden<{ steps: number; spec: string; timesteps: number[]; betas: number[]; base: string }[]>(
      'respacing',
    );

  /** The golden file writes specs as command-line text: 'ddim50', '25', '10,15,20'. */
  const parse = (spec: string): Times =>
    spec.startsWith('ddim') ? strided(Number(spec.slice(4))) : sections(spec.split(',').map(Number));

  it.each(rows)('match the reference for $spec of $steps steps', ({ steps, spec, timesteps, betas }) => {
    const schedule = linear({ steps, start: 1e-4, end: 0.02 });
    const list = parse(spec)(schedule).reverse();
    expect([...list.slice(1)]).toEqual(timesteps);
    expectAllClose(
      timesteps.map((_, i) => between(schedule.level(list[i]!), schedule.level(list[i + 1]!)).beta),
      betas,
      { relative: 1e-9, absolute: 1e-15 },
    );
  });
});

/** num/den rounded, halves to the even neighbour: in whole numbers, so exactly. */
function rounded(num: number, den: number): number {
  const down = Math.floor(num / den);
  const rest = 2 * (num - down * den) - den;
  return rest > 0 || (rest === 0 && down % 2 === 1) ? down + 1 : down;
}
const isHalf = (num: number, den: number) => (2 * num) % den === 0 && num % den !== 0;

describe('the spacings of diffusers', () => {
  const steps = fc.integer({ min: 2, max: 2000 });
  const stepsAndCount = steps.chain((steps) =>
    fc.tuple(fc.constant(steps), fc.integer({ min: 2, max: steps })),
  );

  /**
   * What NumPy says for every count n = 2 … T, as one number a table: over all n and all t, x ← (31 x + t) mod (2³¹ − 1),
   * of the first n entries of
   *   leading   (np.arange(0, n) * (T // n)).round()[::-1]
   *   trailing  np.round(np.arange(T, 0, -T / n)).astype(np.int64) - 1
   *   linspace  np.linspace(0, T - 1, n).round()[::-1]
   */
  const numpy = [
    { T: 50, of: { leading: 267006898, trailing: 1311826241, linspace: 349852171 } },
    { T: 100, of: { leading: 1350111199, trailing: 2041346845, linspace: 932453258 } },
    { T: 1000, of: { leading: 1628150008, trailing: 1903850472, linspace: 328834378 } },
    { T: 4000, of: { leading: 778941355, trailing: 640169597, linspace: 1062952660 } },
  ];

  it.each(numpy)('are NumPy’s for every count of $T steps', ({ T, of }) => {
    const schedule = constantFraction({ steps: T });
    for (const [name, spacing] of Object.entries({ leading, trailing, linspace })) {
      let x = 0;
      for (let n = 2; n <= T; n++) {
        const list = spacing(n)(schedule);
        expect(list.length).toBe(n + 1);
        for (let i = 0; i < n; i++) x = (31 * x + list[i]!) % 2147483647;
      }
      expect(x, name).toBe(of[name as keyof typeof of]);
    }
  });

  it('leading: n whole numbers of constant stride ⌊T/n⌋ from 0 on', () => {
    expect(kept(1000, leading(4))).toEqual([750, 500, 250, 0]);
    expect(kept(10, leading(4))).toEqual([6, 4, 2, 0]);
    fc.assert(
      fc.property(stepsAndCount, ([T, n]) => {
        expect(rising(T, leading(n))).toEqual(Array.from({ length: n }, (_, i) => i * Math.floor(T / n)));
      }),
    );
  });

  it('trailing: the last of each of n equal parts, rounded; where that is a half, either neighbour', () => {
    expect(kept(1000, trailing(4))).toEqual([999, 749, 499, 249]);
    fc.assert(
      fc.property(stepsAndCount, ([T, n]) => {
        rising(T, trailing(n)).forEach((t, i) => {
          const last = (i + 1) * T;
          if (isHalf(last, n)) expect(Math.abs(t + 1 - last / n)).toBe(0.5);
          else expect(t).toBe(rounded(last, n) - 1);
        });
      }),
    );
  });

  it('linspace: n parts of 0 … T − 1, rounded; where that is a half, either neighbour', () => {
    expect(kept(1000, linspace(4))).toEqual([999, 666, 333, 0]);
    fc.assert(
      fc.property(stepsAndCount, ([T, n]) => {
        rising(T, linspace(n)).forEach((t, i) => {
          const position = i * (T - 1);
          if (isHalf(position, n - 1)) expect(Math.abs(t - position / (n - 1))).toBeCloseTo(0.5, 12);
          else expect(t).toBe(rounded(position, n - 1));
        });
      }),
    );
  });

  it('break halves as NumPy’s float64 does: to the even neighbour, unless an error of the last bit decides', () => {
    // 1000/16 = 62.5 becomes 62, 187.5 becomes 188.
    expect(rising(1000, trailing(16)).slice(0, 3)).toEqual([61, 124, 187]);
    // 937.5, 687.5, 437.5 and 187.5 would become 938, 688, 438 and 188.
    const trailing48 = rising(1000, trailing(48));
    expect([44, 32, 20, 8].map((i) => trailing48[i])).toEqual([936, 686, 436, 186]);
    // 999/24 · 4 = 166.5 becomes 166.
    expect(rising(1000, linspace(25))[4]).toBe(166);
    // 13 · 999/26 = 499.5 would become 500.
    expect(rising(1000, linspace(27))[13]).toBe(499);
  });

  it('keep trailing parts of equal length, to one step', () => {
    for (let n = 1; n <= 100; n++) {
      const all = rising(100, trailing(n));
      expect([new Set(all).size, all.at(-1)]).toEqual([n, 99]);
      const parts = all.map((t, i) => t - (all[i - 1] ?? -1));
      expect(Math.max(...parts) - Math.min(...parts)).toBeLessThanOrEqual(1);
    }
  });
});

describe('strided', () => {
  /** The first stride that gives n, as the established code looks for it. */
  const searched = (T: number, n: number): number[] | undefined => {
    for (let stride = 1; stride <= T; stride++) {
      const range = Array.from({ length: Math.ceil(T / stride) }, (_, i) => i * stride);
      if (range.length === n) return range;
    }
    return undefined;
  };

  it.each([50, 100, 250, 1000])('is DDIM’s constant stride of %s steps for every n that has one', (T) => {
    for (let n = 2; n <= T; n++) {
      const expected = searched(T, n);
      if (expected === undefined) expect(() => kept(T, strided(n))).toThrow(RangeError);
      else expect(rising(T, strided(n))).toEqual(expected);
    }
  });

  it('is leading(n) where n divides the steps, and gets nearer to the noise elsewhere', () => {
    expect(kept(1000, strided(50))).toEqual(kept(1000, leading(50)));
    expect(kept(1000, strided(30)).slice(0, 2)).toEqual([29 * 34, 28 * 34]);
    expect(kept(1000, leading(30)).slice(0, 2)).toEqual([29 * 33, 28 * 33]);
    expect(kept(100, strided(34)).slice(0, 2)).toEqual([99, 96]);
  });

  it('refuses an n that no stride gives, and names the nearest that some stride does', () => {
    expect(() => kept(100, strided(30))).toThrow(
      new RangeError('n is 30, but no constant stride over 100 steps keeps 30: the nearest are 25 or 34'),
    );
  });
});

describe('sections', () => {
  it('keep the first and the last step of each section', () => {
    // The middle of 0 … 49 is 24.5, and halves go to the even neighbour.
    expect(rising(100, sections([3, 2]))).toEqual([0, 24, 49, 50, 99]);
  });

  it('are longer at first where they cannot be equal', () => {
    expect(rising(50, sections([1, 1, 1]))).toEqual([0, 17, 34]);
    expect(rising(50, sections([2, 2, 2]))).toEqual([0, 16, 17, 33, 34, 49]);
  });

  it('of as many steps as there are are every step', () => {
    expect(kept(30, sections([30]))).toEqual(kept(30, every()));
    expect(kept(31, sections([16, 15]))).toEqual(kept(31, every()));
  });

  it('refuse to keep more steps than they have', () => {
    expect(() => kept(40, sections([10, 21]))).toThrow(
      new RangeError('counts[1] is 21, expected at most the 20 steps of that section'),
    );
  });

  it('refuse counts that are no whole numbers, and an empty list', () => {
    expect(() => sections([5, 2.5])).toThrow('counts[1] is 2.5, expected a whole number of at least 1');
    expect(() => sections([0])).toThrow('counts[0] is 0, expected a whole number of at least 1');
    expect(() => sections([])).toThrow(
      new RangeError('counts is an empty list, expected a count for each section'),
    );
  });

  it('have the β of their steps multiply up to ᾱ, whatever the counts', () => {
    const counts = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(counts, fc.integer({ min: 0, max: 100 }), (counts, more) => {
        const steps = Math.max(...counts) * counts.length + more;
        const schedule = linear({ steps, start: 1e-4, end: 0.05 });
        const list = sections(counts)(schedule).reverse();
        expect(list.length).toBe(1 + counts.reduce((a, b) => a + b));
        let product = 1;
        for (let i = 1; i < list.length; i++) {
          product *= 1 - between(schedule.level(list[i - 1]!), schedule.level(list[i]!)).beta;
          expectAllClose(product, schedule.level(list[i]!).alpha ** 2, { relative: 1e-11, absolute: 0 });
        }
      }),
    );
  });
});

it.each(Object.entries({ leading, strided, trailing, linspace }))(
  '%s refuses a number of times that is not whole, or above the schedule’s',
  (_, spacing) => {
    expect(() => spacing(2.5)).toThrow(new RangeError('n is 2.5, expected a whole number of at least 1'));
    expect(() => spacing(0)).toThrow('n is 0');
    expect(() => kept(40, spacing(41))).toThrow(
      new RangeError('n is 41, expected at most the 40 steps of the schedule'),
    );
  },
);

it('a single step starts from the noise, by whichever list', () => {
  for (const list of [leading(1), strided(1), trailing(1), linspace(1), sections([1]), times([999])]) {
    expect(kept(1000, list)).toEqual([999]);
  }
});
