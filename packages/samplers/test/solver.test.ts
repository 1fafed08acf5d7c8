import { type Evaluation, vPrediction, x0Prediction } from '@diffusion-ts/reverse-process';
import { linear, type NoiseLevel, type NoiseSchedule, times, trailing } from '@diffusion-ts/schedules';
import { axpby, finish, rng } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test, vi } from 'vitest';
import { distance, toTensor } from '../src/conformance/batch.js';
import { FACTORS, NOISE, SHAPE, skewed } from '../src/conformance/mixing-data.js';
import {
  brownianTree,
  firstOrder,
  fromSolver,
  type Noise,
  type Solver,
  type SolverStep,
  walk,
} from '../src/index.js';
import { end, record, uniformInLambda } from './running.js';

const schedule = linear({ steps: 40, start: 1e-3, end: 0.3 });
const reverse = skewed.process(schedule, vPrediction);

const euler: Solver = ({ x, x0, from, to }) => {
  const { ofX, ofX0 } = firstOrder(from, to);
  return axpby(ofX, x, ofX0, x0);
};

/** The middle of the way in log-SNR: a time between the whole ones. */
function middle(from: NoiseLevel, to: NoiseLevel, { level, timeOf }: NoiseSchedule = schedule): NoiseLevel {
  return level(timeOf((from.logSnr + to.logSnr) / 2));
}

/** The midpoint method: a second look half-way. */
const midpoint =
  (on: NoiseSchedule): Solver =>
  async ({ x, x0, from, to, x0At, own }) => {
    if (to.sigma === 0) return x0;
    const half = middle(from, to, on);
    const [there, whole] = [firstOrder(from, half), firstOrder(from, to)];
    const xHalf = own(() => axpby(there.ofX, x, there.ofX0, x0));
    return axpby(whole.ofX, x, whole.ofX0, await x0At(xHalf, half));
  };

onEachBackend(() => {
  test('a solver of five lines converges at first order, and one that looks half-way ahead at second', async () => {
    const fine = linear({ steps: 1000 });
    for (const [solver, order] of [
      [euler, 1],
      [midpoint(fine), 2],
    ] as const) {
      const errors: number[] = [];
      for (const steps of [20, 40]) {
        const sampler = fromSolver(solver, { times: uniformInLambda(steps) });
        const { x, from } = await record(sampler, skewed.process(fine, vPrediction), NOISE);
        errors.push(distance(x.at(-1)!, skewed.flow(NOISE, from[0]!, from.at(-1)!, FACTORS)));
      }
      expect(Math.abs(Math.log2(errors[0]! / errors[1]!) - order)).toBeLessThan(0.2);
    }
  });
});

onEachBackend(() => {
  test('x0At is one more evaluation of the network, at any place and level, with the condition', async () => {
    const asked: (readonly [number, number[]])[] = [];
    const listening: typeof reverse = {
      ...reverse,
      denoiser(xt, told, condition) {
        asked.push([told.dataSync()[0]!, Array.from(condition!.factor!.dataSync())]);
        return reverse.denoiser(xt, told, condition);
      },
    };
    const seen: number[] = [];
    const solver: Solver = async (step) => {
      const { x, from, to, x0At } = step;
      if (to.sigma > 0) {
        const half = middle(from, to);
        const there = await x0At(x, half);
        seen.push(distance(toRows(there), skewed.x0(toRows(x), half, FACTORS)));
      }
      return euler(step);
    };
    await end(fromSolver(solver, { times: times([39, 20, 3]) }), listening, NOISE);
    const factors = Array.from(new Float32Array(FACTORS));
    const halves = [
      [39, 20],
      [20, 3],
    ].map(([t, s]) => middle(schedule.level(t!), schedule.level(s!)).t);
    expect(asked.map(([t]) => t)).toEqual([39, halves[0], 20, halves[1], 3].map((t) => Math.fround(t!)));
    for (const [, told] of asked) expect(told).toEqual(factors);
    expect(Math.max(...seen)).toBeLessThan(1e-5);
  });

  test('a solver sees the steps before as many as it remembers, the newest first, with their levels and x̂_0', async () => {
    const visited = [39, 30.5, 22, 14, 5];
    for (const remembers of [0, 1, 2, 3]) {
      const seen: { t: number[]; x0: number[][][] }[] = [];
      const solver: Solver = (step) => {
        seen.push({
          t: step.history.map(({ level }) => level.t),
          x0: step.history.map(({ x0 }) => toRows(x0)),
        });
        return euler(step);
      };
      const { x0 } = await record(fromSolver(solver, { times: times(visited), remembers }), reverse, NOISE);
      expect(seen.map(({ t }) => t)).toEqual(
        visited.map((_, i) => visited.slice(Math.max(0, i - remembers), i).toReversed()),
      );
      expect(seen.map((step) => step.x0)).toEqual(
        visited.map((_, i) => x0.slice(Math.max(0, i - remembers), i).toReversed()),
      );
    }
  });

  test('a solver sees the step that is shown, all that the network said, and the rng that was given', async () => {
    const seen: SolverStep[] = [];
    const shown: unknown[] = [];
    const source = rng(1);
    const start = toTensor(NOISE, SHAPE);
    const condition = { factor: tf.tensor1d([...FACTORS]) };
    const solver: Solver = (step) => {
      seen.push(step);
      expectAllClose(step.evaluation.x0(), Array.from(step.x0.dataSync()));
      expect(step.evaluation.to(step.to.t).mean.shape).toEqual([3, 2, 2]);
      return euler(step);
    };
    const run = fromSolver(solver, { times: trailing(3) })(reverse, start, { condition, rng: source });
    const x0 = await finish(run, ({ from, to, x, x0, index, total }) =>
      shown.push({ from, to, x, x0, index, total }),
    );
    expect(seen.map(({ from, to, x, x0, index, total }) => ({ from, to, x, x0, index, total }))).toEqual(
      shown,
    );
    expect(seen.map(({ rng }) => rng)).toEqual([source, source, source]);
    tf.dispose([x0, start, condition.factor]);
  });

  for (const [what, solver] of [
    [
      'makes tensors on its way and does not wait',
      (step: SolverStep) => tf.add(tf.mul(euler(step) as tf.Tensor, 2), 1),
    ],
    ['returns the sample as it is', ({ x }: SolverStep) => x],
    ['returns the prediction as it is', ({ x0 }: SolverStep) => x0],
    ['returns the prediction of the step before', ({ x0, history }: SolverStep) => history[0]?.x0 ?? x0],
    [
      'returns what the network said',
      ({ evaluation }: SolverStep) => (evaluation as unknown as { prediction: tf.Tensor }).prediction,
    ],
    [
      'asks for what it does not look at',
      ({ x, x0At, from }: SolverStep) => {
        void x0At(x, from);
        return tf.neg(x);
      },
    ],
    ['waits, and owns what it makes', midpoint(schedule)],
    [
      'is given noise, also while it waits',
      async ({ x, x0At, from, to, noise, own }: SolverStep) => {
        const raised = own(() => tf.add(x, noise(from, to)));
        return tf.add(await x0At(raised, from), noise(from, to));
      },
    ],
  ] satisfies (readonly [string, Solver])[]) {
    test(`a solver that ${what} leaves nothing behind, run to its end or left early`, async () => {
      const sampler = fromSolver(solver, { times: trailing(4), remembers: 1, noise: brownianTree });
      await expectNoLeak(async () => {
        const start = toTensor(NOISE, SHAPE);
        const condition = { factor: tf.tensor1d([...FACTORS]) };
        const options = { condition, rng: rng(1) };
        const x0 = await finish(sampler(reverse, start, options));
        expect(x0.dataSync().every(Number.isFinite)).toBe(true);
        for await (const { index } of sampler(reverse, start, options)) if (index === 1) break;
        return [start, condition.factor, x0];
      });
    });
  }

  test('what a solver owns lives until its step is done, and no longer', async () => {
    const made: tf.Tensor[] = [];
    const solver: Solver = async ({ x, x0At, to, own, history }) => {
      if (to.sigma === 0) return x;
      const doubled = own(() => tf.mul(tf.add(x, 0), 2));
      const there = await x0At(doubled, to);
      expect(
        [doubled, there, ...history.map(({ x0 }) => x0)].map(({ isDisposed }) => isDisposed),
      ).not.toContain(true);
      made.push(doubled, there);
      return own(() => tf.add(there, doubled));
    };
    const start = toTensor(NOISE, SHAPE);
    const condition = { factor: tf.tensor1d([...FACTORS]) };
    const run = fromSolver(solver, { times: trailing(3), remembers: 1 })(reverse, start, { condition });
    const x0 = await finish(run, ({ index }) => {
      expect(made.length).toBe(Math.min(index + 1, 2) * 2);
      expect(made.map(({ isDisposed }) => isDisposed)).not.toContain(false);
    });
    tf.dispose([x0, start, condition.factor]);
  });

  test('a solver that fails while it waits for two answers frees the one that comes too late', async () => {
    const disposed: number[] = [];
    const slow = {
      forward: reverse.forward,
      async evaluate(xt: tf.Tensor, t: number): Promise<Evaluation> {
        await new Promise((resolve) => setTimeout(resolve, t === 10 ? 20 : 0));
        if (t === 20) throw new Error('no answer at 20');
        const said = tf.neg(xt);
        return {
          x0: () => tf.clone(said),
          to: () => expect.fail('not asked'),
          dispose() {
            disposed.push(t);
            said.dispose();
          },
        };
      },
    };
    const solver: Solver = async ({ x, x0At }) => {
      const [a] = await Promise.all([x0At(x, schedule.level(10)), x0At(x, schedule.level(20))]);
      return a;
    };
    const start = toTensor(NOISE, SHAPE);
    const before = tf.memory().numTensors;
    const run = fromSolver(solver, { times: trailing(2) })(slow as typeof reverse, start);
    await expect(finish(run)).rejects.toThrow('no answer at 20');
    expect(disposed).toEqual([39, 10]);
    expect(tf.memory().numTensors).toBe(before);
    start.dispose();
  });

  test('a solver that throws, at once or later, leaves nothing behind', async () => {
    for (const solver of [
      ({ x, index }: SolverStep) => {
        if (index === 2) throw new Error('no step');
        return tf.neg(x);
      },
      async ({ x, index, x0At, from, own }: SolverStep) => {
        const there = own(() => tf.neg(x));
        await x0At(there, from);
        if (index === 2) throw new Error('no step');
        return there;
      },
    ] satisfies Solver[]) {
      const start = toTensor(NOISE, SHAPE);
      const condition = { factor: tf.tensor1d([...FACTORS]) };
      const before = tf.memory().numTensors;
      await expect(
        finish(fromSolver(solver, { times: trailing(5), remembers: 2 })(reverse, start, { condition })),
      ).rejects.toThrow('no step');
      expect(tf.memory().numTensors).toBe(before);
      tf.dispose([start, condition.factor]);
    }
  });

  test('a network that hands back its own input does no harm', async () => {
    const echo: typeof reverse = { ...skewed.process(schedule, x0Prediction), denoiser: (xt) => xt };
    await expectNoLeak(async () => {
      const start = toTensor(NOISE, SHAPE);
      const x0 = await finish(fromSolver(({ x0 }) => x0, { times: trailing(3) })(echo, start));
      expectAllClose(x0, NOISE.flat());
      return [start, x0];
    });
  });

  test('every step is checked before the first, and the message of the check is thrown at the call', () => {
    const check = vi.fn((from: NoiseLevel, to: NoiseLevel) => {
      if (to.t === 6) throw new RangeError(`not from ${from.t} to 6`);
    });
    const sampler = fromSolver(euler, { times: times([39, 20, 6]), check });
    expect(() => sampler(reverse, tf.scalar(0))).toThrow('not from 20 to 6');
    expect(check.mock.calls.map((levels) => levels.map(({ t }) => t))).toEqual([
      [39, 20],
      [20, 6],
    ]);
  });

  test('one that says that it draws is refused without an rng, at the call; one that does not gets none', async () => {
    const drawing = fromSolver(({ x, rng }) => rng.normal(x.shape), { draws: true });
    expect(() => drawing(reverse, tf.scalar(0))).toThrow(TypeError);
    expect(() => drawing(reverse, tf.scalar(0), {})).toThrow(
      'options.rng is missing, and this sampler draws noise: give it one, such as rng(0)',
    );
    const [sampled, drawn] = [await end(drawing, reverse, NOISE, { rng: rng(4) }), rng(4)];
    const last = Array.from({ length: 40 }, () => drawn.normal([3, ...SHAPE])).at(-1)!;
    expectAllClose(sampled.flat(), toRows(last).flat());
  });

  test('the noise of a run is made once, for its shape and from its rng, and freed at its end however that comes', async () => {
    const made: unknown[] = [];
    let freed = 0;
    const source = rng(1);
    const noise = (...given: unknown[]): Noise => {
      made.push(given);
      return { between: ({ t }, to) => tf.fill([3, ...SHAPE], t - to.t), dispose: () => void freed++ };
    };
    const sampler = fromSolver(({ from, to, noise }) => noise(from, to), { times: trailing(4), noise });
    const run = await record(sampler, reverse, NOISE, { rng: source });
    expect(made).toEqual([[source, [3, ...SHAPE]]]);
    expect(freed).toBe(1);
    expect([...run.x.slice(1), run.end].map((x) => x[0]![0])).toEqual([10, 10, 10, 10]);
    const start = toTensor(NOISE, SHAPE);
    const condition = { factor: tf.tensor1d([...FACTORS]) };
    for await (const { index } of sampler(reverse, start, { condition, rng: source })) if (index === 1) break;
    expect(freed).toBe(2);
    expect(() => sampler(reverse, start)).toThrow(/options\.rng is missing/);
    tf.dispose([start, condition.factor]);
  });

  test('a solver sees the schedule, and finds levels between those of its step on it', async () => {
    const levels: NoiseLevel[] = [];
    const solver: Solver = (step) => {
      const { from, to, schedule } = step;
      if (to.sigma > 0) levels.push(schedule.level(schedule.timeOf((from.logSnr + to.logSnr) / 2)));
      return euler(step);
    };
    await end(fromSolver(solver, { times: times([39, 20]) }), reverse, NOISE);
    expect(levels).toEqual([middle(schedule.level(39), schedule.level(20))]);
  });

  test('other tasks of the event loop run between two steps', async () => {
    const { port1, port2 } = new MessageChannel();
    let heardAt = -1;
    let step = 0;
    port1.onmessage = () => {
      heardAt = step;
      port1.close();
    };
    port2.postMessage('an event');
    const start = toTensor(NOISE, SHAPE);
    const condition = { factor: tf.tensor1d([...FACTORS]) };
    for await (const { index } of fromSolver(euler)(reverse, start, { condition })) step = index;
    expect(heardAt).toBeGreaterThanOrEqual(0);
    expect(heardAt).toBeLessThan(39);
    tf.dispose([start, condition.factor]);
  });

  test('a walk goes through its levels in any direction, and tells the network of others than it is at', async () => {
    const levels = [3, 17, 30].map((t) => schedule.level(t));
    const told = [17, 30].map((t) => schedule.level(t));
    const start = toTensor(NOISE, SHAPE);
    const condition = { factor: tf.tensor1d([...FACTORS]) };
    const shown: number[][] = [];
    const run = walk(euler, reverse, start, { levels, told }, { condition });
    const reached = await finish(run, ({ x, x0, from, to, total }) => {
      shown.push([from.t, to.t, total!]);
      expectAllClose(x0, skewed.x0(toRows(x), to, FACTORS).flat(), { relative: 1e-4, absolute: 1e-5 });
    });
    expect(shown).toEqual([
      [3, 17, 2],
      [17, 30, 2],
    ]);
    tf.dispose([reached, start, condition.factor]);
  });
}, ['cpu']);

function toRows(x: tf.Tensor): number[][] {
  const values = Array.from(x.dataSync());
  return Array.from({ length: 3 }, (_, i) => values.slice(4 * i, 4 * i + 4));
}
