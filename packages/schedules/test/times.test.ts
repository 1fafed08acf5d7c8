import { expectAllClose } from '@diffusion-ts/testing';
import { describe, expect, it } from 'vitest';
import {
  continuous,
  even,
  every,
  karras,
  lastOf,
  leading,
  leadingToData,
  linear,
  linspace,
  linspaceToData,
  logSnrSpaced,
  type NoiseSchedule,
  rectified,
  rescaleToZeroTerminalSnr,
  sections,
  startingAt,
  strided,
  type Times,
  times,
  trailing,
  varianceExploding,
} from '../src/index.js';
import { Instance, schedules } from './levels.js';

const counted: Record<string, (n: number) => Times> = {
  leading,
  leadingToData,
  strided,
  trailing,
  linspace,
  linspaceToData,
  even,
  logSnrSpaced,
  'sections of one': (n) => sections([n]),
  karras: (n) => karras({ steps: n }),
};
/** Those that begin at the end of a discrete schedule too. */
const fromTheEnd = new Set([
  'trailing',
  'linspace',
  'linspaceToData',
  'even',
  'logSnrSpaced',
  'sections of one',
  'karras',
]);

function expectList(schedule: NoiseSchedule, list: Float64Array): void {
  list.forEach((t, i) => {
    if (i > 0) expect(t).toBeLessThan(list[i - 1]!);
  });
  expect(list[0]).toBeLessThanOrEqual(schedule.end);
  expect(list.at(-1)).toBe(schedule.start);
}

describe.each(Object.entries(schedules))('on every schedule, such as: %s', (_, schedule) => {
  const { steps, end } = schedule;
  const atMost = Math.min(steps ?? 60, 60);

  it.each(Object.entries(counted))(
    '%s falls strictly, within the schedule, from noise to data',
    (name, of) => {
      for (let n = 1; n <= atMost; n++) {
        if (name.startsWith('sections') && steps === undefined) continue;
        if (name === 'strided' && steps !== undefined && Math.ceil(steps / Math.ceil(steps / n)) !== n)
          continue;
        const list = of(n)(schedule);
        expect(list.length).toBe(n + 1);
        expectList(schedule, list);
        if (steps === undefined || n === 1 || fromTheEnd.has(name)) expect(list[0]).toBe(end);
      }
    },
  );

  it('startingAt goes on from the time given, by whichever list', () => {
    for (const u of [0.001, 0.3, 0.5, 0.77, 1]) {
      const t = schedule.start + u * (end - schedule.start);
      for (const [name, of] of Object.entries(counted)) {
        if (name.startsWith('sections') && steps === undefined) continue;
        const list = startingAt(t, of(1))(schedule);
        expect(list[0]).toBe(t);
        expectList(schedule, list);
      }
    }
  });
});

describe('as the schedulers of diffusers understand their own names, of 1000 steps', () => {
  const list = (times: Times, steps = 1000) => [...times(linear({ steps }))];

  it('linspace to the data is n + 1 rounded times without the first', () => {
    // round(99.9 i), and 499.5 goes to the even number.
    expect(list(linspaceToData(10))).toEqual([999, 899, 799, 699, 599, 500, 400, 300, 200, 100, -1]);
  });

  it('leading to the data is the stride of n + 1 times without the first', () => {
    // 1000 // 11 = 90
    expect(list(leadingToData(10))).toEqual([900, 810, 720, 630, 540, 450, 360, 270, 180, 90, -1]);
  });

  it('even times are between whole ones', () => {
    expect(list(even(3))).toEqual([999, 499.5, 0, -1]);
    expect(list(even(1))).toEqual([999, -1]);
  });

  it('as many as there are steps are all of them', () => {
    for (const times of [linspaceToData, leadingToData, even])
      expect(list(times(25), 25)).toEqual(list(every(), 25));
    expect(() => list(linspaceToData(26), 25)).toThrow(
      'n is 26, expected at most the 25 steps of the schedule',
    );
  });
});

describe('every', () => {
  it('is all the steps of a discrete schedule, and the data', () => {
    expect([...every()(linear({ steps: 25 }))]).toEqual(Array.from({ length: 26 }, (_, i) => 24 - i));
  });

  it('refuses a schedule of continuous time, as sections do', () => {
    expect(() => every()(rectified())).toThrow(
      new RangeError(
        'every() was asked of a schedule of continuous time, which has no steps: give a number, as in trailing(50)',
      ),
    );
    expect(() => sections([3])(rectified())).toThrow(
      new RangeError('sections() was asked of a schedule of continuous time, which has no steps to divide'),
    );
  });
});

it('the spacings of indices are equal steps where time is continuous', () => {
  for (const of of [leading, strided, trailing, linspace]) {
    expect([...of(4)(rectified())]).toEqual([1, 0.75, 0.5, 0.25, 0]);
    expect([...of(2)(varianceExploding())]).toEqual([80, 40, 0]);
  }
});

describe('logSnrSpaced', () => {
  const logSnrs = (schedule: NoiseSchedule, list: Float64Array) =>
    list.slice(0, -1).map((t) => schedule.level(t).logSnr);

  it('is evenly spaced in log-SNR from the last time to the first', () => {
    const schedule = linear({ steps: 1000 });
    const list = logSnrSpaced(8)(schedule);
    expect([list[0], list[7], list[8]]).toEqual([999, 0, -1]);
    const [noisy, clean] = [schedule.level(999).logSnr, schedule.level(0).logSnr];
    expectAllClose(
      logSnrs(schedule, list),
      Array.from({ length: 8 }, (_, i) => noisy + (i / 7) * (clean - noisy)),
      { relative: 1e-12, absolute: 1e-12 },
    );
  });

  it('is a geometric sequence of σ where variance explodes', () => {
    expectAllClose(logSnrSpaced(3)(varianceExploding({ sigmaMin: 0.01, sigmaMax: 100 })), [100, 1, 0.01, 0], {
      relative: 1e-13,
      absolute: 0,
    });
  });

  it('starts from pure noise where the schedule ends there, then has n − 1 finite levels', () => {
    // The last ends at a log-SNR of −75, which is pure noise to float32.
    const cosine = continuous((u) => -2 * Math.log(Math.tan((Math.PI * u) / 2)));
    for (const schedule of [rescaleToZeroTerminalSnr(linear({ steps: 1000 })), rectified(), cosine]) {
      const list = logSnrSpaced(6)(schedule);
      expect([list[0], list[5]]).toEqual([schedule.end, schedule.least]);
      const { logSnr } = schedule.level(schedule.least);
      expectAllClose(
        logSnrs(schedule, list).slice(1),
        [-1, -0.5, 0, 0.5, 1].map((part) => part * logSnr),
        { relative: 1e-9, absolute: 1e-9 },
      );
    }
  });

  it('refuses several levels of a schedule that has one', () => {
    const schedule = linear({ steps: 1, start: 0.5, end: 0.5 });
    expect([...logSnrSpaced(1)(schedule)]).toEqual([0, -1]);
    expect(() => logSnrSpaced(2)(schedule)).toThrow(
      new RangeError(
        '2 noise levels were asked for from log-SNR 0 to 0, expected the first to be the lower one',
      ),
    );
  });

  it('refuses a number that is not whole', () => {
    expect(() => logSnrSpaced(0)).toThrow(new RangeError('n is 0, expected a whole number of at least 1'));
  });
});

describe('times', () => {
  it('are these, from the largest to the smallest, and the data after them', () => {
    expect([...times([0, 400, 999, 2.5])(linear({ steps: 1000 }))]).toEqual([999, 400, 2.5, 0, -1]);
    expect([...times(Float64Array.of(0.1, 1))(rectified())]).toEqual([1, 0.1, 0]);
  });

  it('may name the data where they end', () => {
    expect([...times([999, 400, -1])(linear({ steps: 1000 }))]).toEqual([999, 400, -1]);
    expect([...times([1, 0.5, 0])(rectified())]).toEqual([1, 0.5, 0]);
  });

  it('do not change with the list that they were given', () => {
    const list = [5, 3];
    const made = times(list);
    list[0] = 9;
    expect([...made(linear({ steps: 100 }))]).toEqual([5, 3, -1]);
  });

  it('refuse an empty list, one that holds a time twice, and the data alone', () => {
    expect(() => times([])).toThrow(
      new RangeError('times is empty, expected at least one time to start from'),
    );
    expect(() => times([3, 5, 3])).toThrow(new RangeError('times holds 3 twice'));
    expect(() => times([0, 0])).toThrow(new RangeError('times holds 0 twice'));
    expect(() => times([-1])(linear({ steps: 100 }))).toThrow(
      new RangeError('times is -1 alone, the time of the data, expected one to start from'),
    );
  });

  it('refuse a time that the schedule does not have', () => {
    for (const t of [100, -2, Number.NaN]) {
      expect(() => times([5, t])(linear({ steps: 100 }))).toThrow(
        new RangeError(`t is ${t}, expected a time of the schedule, -1 … 99`),
      );
    }
  });
});

describe('lastOf', () => {
  const schedule = linear({ steps: 1000 });

  it('is the end of the list, in the share of its steps that is asked for, and one of them at least', () => {
    expect([...lastOf(0.6, times([900, 500, 400, 90, 3]))(schedule)]).toEqual([400, 90, 3, -1]);
    expect([...lastOf(0.5, karras({ steps: 4 }))(varianceExploding())]).toEqual([
      ...karras({ steps: 4 })(varianceExploding()).slice(2),
    ]);
    expect([...lastOf(1, trailing(5))(schedule)]).toEqual([...trailing(5)(schedule)]);
    expect([...lastOf(1e-3, trailing(5))(schedule)]).toEqual([199, -1]);
  });

  it('refuses no steps, and more than there are', () => {
    for (const share of [0, -0.5, 1.01, Number.NaN]) {
      expect(() => lastOf(share, trailing(5))).toThrow(
        new RangeError(`share must be above 0 and at most 1, not ${share}`),
      );
    }
  });
});

describe('startingAt', () => {
  const schedule = linear({ steps: 1000 });

  it('is the list of the schedule that ends there', () => {
    expect([...startingAt(499, trailing(5))(schedule)]).toEqual([...trailing(5)(linear({ steps: 500 }))]);
    expect([...startingAt(49, every())(schedule)]).toEqual([...every()(linear({ steps: 50 }))]);
    expect([...startingAt(0.5, leading(2))(rectified())]).toEqual([0.5, 0.25, 0]);
    expect([...startingAt(2, karras({ steps: 9 }))(varianceExploding())]).toEqual([
      ...karras({ steps: 9 })(varianceExploding({ sigmaMax: 2 })),
    ]);
  });

  it('goes first to its time where the list begins below it', () => {
    expect([...startingAt(499, leading(5))(schedule)]).toEqual([499, 400, 300, 200, 100, 0, -1]);
    expect([...startingAt(2.5, every())(schedule)]).toEqual([2.5, 2, 1, 0, -1]);
  });

  it('leaves out what a list has above its time', () => {
    expect([...startingAt(450, times([900, 600, 300, 10]))(schedule)]).toEqual([450, 300, 10, -1]);
    const whole = karras({ steps: 20, sigmaMax: 80 })(varianceExploding());
    expect([...startingAt(3, karras({ steps: 20, sigmaMax: 80 }))(varianceExploding())]).toEqual([
      3,
      ...whole.filter((t) => t < 3),
    ]);
  });

  it('is one step to the data from the least noise that is worth one', () => {
    expect([...startingAt(0, trailing(5))(schedule)]).toEqual([0, -1]);
    expect([...startingAt(-0.5, karras({ steps: 5 }))(schedule)]).toEqual([-0.5, -1]);
    expect([...startingAt(1e-3, trailing(5))(rectified())]).toEqual([1e-3, 0]);
  });

  it('refuses a time that the schedule does not have, and that of the data', () => {
    expect(() => startingAt(1000, every())(schedule)).toThrow(
      new RangeError('t is 1000, expected a time of the schedule, -1 … 999'),
    );
    expect(() => startingAt(-1, every())(schedule)).toThrow(
      new RangeError('t is -1, the time of the data, expected one to start from'),
    );
  });

  it('asks a schedule for its levels as a method, so that it may be an instance of a class', () => {
    const list = startingAt(500.5, karras({ steps: 7 }));
    expect(list(new Instance(schedule))).toEqual(list(schedule));
  });
});
