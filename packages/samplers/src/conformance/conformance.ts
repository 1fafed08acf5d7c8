import {
  type ForwardProcess,
  type Gaussian,
  gaussian,
  gaussianDiffusion,
  latent,
} from '@diffusion-ts/forward-process';
import {
  type Evaluation,
  edmPrediction,
  flowPrediction,
  type Prediction,
  previousMeanPrediction,
  type ReverseProcess,
  vPrediction,
} from '@diffusion-ts/reverse-process';
import {
  continuous,
  cosine,
  every,
  karras,
  linear,
  linspace,
  logSnrSpaced,
  type NoiseSchedule,
  rectified,
  rescaleToZeroTerminalSnr,
  startingAt,
  type Times,
  times,
  trailing,
  varianceExploding,
} from '@diffusion-ts/schedules';
import { type Denoiser, finish, type Rng, rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Sampler, SamplerOptions } from '../sampler.js';
import { assert, assertClose, assertNoLeak, assertThrows } from './assert.js';
import { type Batch, distance, moments, product, sum, toBatch, toTensor } from './batch.js';
import { eventually } from './eventually.js';
import { component, FACTORS, NOISE, rotated, SHAPE, skewed } from './mixing-data.js';
import { end, levelsOf, record } from './record.js';

/** A sampler to be held to what all of them promise: one that visits the times that it is given. */
export interface Subject {
  /** The sampler with these times. */
  readonly make: (times: Times) => Sampler;
  /** Whether it draws noise; default no. */
  readonly draws?: boolean;
  /**
   * How far from the end of the probability flow it may be after 60 steps, on data of about the size 1; of one that draws,
   * how wrong its variances, in parts of the data's.
   */
  readonly error: number;
}

/** One promise. */
export interface Case {
  /** What is promised, in a sentence. */
  readonly name: string;
  /** Whether it is one of numbers, worth asking of every backend; the others hold on one if on any. */
  readonly ofNumbers: boolean;
  /** Fails with an Error of one sentence where the promise is broken. The backend is the one that is active. */
  run(): Promise<void>;
}

const zeroSnr = rescaleToZeroTerminalSnr(cosine({ steps: 100 }));
const schedule = linear({ steps: 20, start: 1e-3, end: 0.5 });
const shape = [...SHAPE];
const conditioned = (factors: readonly number[] = FACTORS): { factor: tf.Tensor1D } => ({
  factor: tf.tensor1d([...factors]),
});

/** Where sampling starts, and with what: pure noise, or all the noise that there is. */
const ENDS: readonly (readonly [string, NoiseSchedule, Prediction, Times])[] = [
  ['zero terminal SNR', zeroSnr, vPrediction, trailing(60)],
  [
    'a cosine in continuous time',
    continuous((u) => -2 * Math.log(Math.tan((Math.PI * u) / 2))),
    vPrediction,
    logSnrSpaced(60),
  ],
  ['variance exploding to σ = 80', varianceExploding(), edmPrediction(), karras({ steps: 60 })],
  ['the straight path from pure noise', rectified(), flowPrediction, logSnrSpaced(60)],
];

/** Lists of times on which nobody trained. */
const LISTS: readonly (readonly [string, Times])[] = [
  ['every step', every()],
  ['the last of seven parts', trailing(7)],
  ['levels of Karras', karras({ steps: 6 })],
  ['times between the whole ones', times([18.5, 10.25, 4, 1.75])],
  ['steps from the middle on', startingAt(11, linspace(6))],
];

const source = (): { rng: Rng } => ({ rng: rng(7) });
const values = (batches: readonly Batch[]): number[] => batches.flat(2);

/**
 * What every sampler promises, as cases for any runner of tests: that it follows the flow of exact data to its end, or draws
 * them as they are spread, on every kind of schedule and from pure noise; that example i does not depend on its batch; that
 * it takes anybody's process as it is and any list of times, of one step or two too, or refuses it at the call; and that it
 * leaves no tensor behind, finished, aborted, left early or failed, whether the network answers at once or later. The network
 * is a closed form that mixes elements and examples, so that a permutation shows.
 * @throws (when a case is run) Error of one sentence if the promise is broken, or what the sampler throws.
 * @example
 * const subject = { make: (times) => mySampler({ times }), error: 0.05 };
 * for (const { name, run } of conformance(subject)) test(name, run); // of vitest, jest, mocha, node:test …
 */
export function conformance({ make, draws = false, error }: Subject): readonly Case[] {
  const cases: Case[] = [];
  const declare =
    (ofNumbers: boolean) =>
    (name: string, run: () => unknown): void => {
      cases.push({ name, ofNumbers, run: async () => void (await run()) });
    };
  const [numbers, behaviour] = [declare(true), declare(false)];

  for (const [where, schedule, predicts, list] of draws ? [] : ENDS) {
    numbers(`on ${where}, exact data end where the flow takes the noise`, async () => {
      const [first, last] = [schedule.level(schedule.end), schedule.level(schedule.start)];
      const xT = sum([first.sigma, NOISE]);
      const reached = await end(make(list), skewed.process(schedule, predicts), xT);
      const miss = distance(reached, skewed.flow(xT, first, last, FACTORS));
      assert(
        miss < error,
        `after 60 steps it is ${miss} from where the flow ends, expected less than ${error}`,
      );
    });
  }

  for (const [which, list] of LISTS) {
    numbers(
      `processes that are nobody's but the user's give the same numbers as ours on ${which}`,
      async () => {
        const reverse = skewed.process(schedule, vPrediction);
        const expected = await record(make(list), reverse, NOISE, source());
        const own = await record(make(list), ownProcess(), NOISE, source());
        assertClose('x', values(own.x), values(expected.x));
        assertClose('x̂_0', values(own.x0), values(expected.x0));
        assertClose('the end', own.end.flat(), expected.end.flat());
      },
    );
  }

  for (const [where, schedule, predicts] of ENDS) {
    numbers(`on ${where}, one step ends at what the network sees, and two are two`, async () => {
      const xT = sum([schedule.level(schedule.end).sigma, NOISE]);
      const reverse = skewed.process(schedule, predicts);
      const one = await record(make(times([schedule.end])), reverse, xT, source());
      assert(one.x.length === 1, `it took ${one.x.length} steps instead of 1`);
      assertClose('the end', one.end.flat(), values(one.x0), { absolute: 1e-4 });
      const between = schedule.timeOf(0.5);
      const two = await record(make(times([schedule.end, between])), reverse, xT, source());
      const ts = [...two.to.map(({ t }) => t)];
      assertClose('the times to which it went', ts, [between, schedule.start]);
      assert(two.end.flat().every(Number.isFinite), `two steps end at ${two.end}`);
    });
  }

  for (const [where, schedule, predicts, list] of draws ? ENDS : []) {
    behaviour(`on ${where}, exact data end as the data are spread`, async () => {
      const count = 300;
      const factor = 0.7;
      const condition = conditioned(new Array<number>(count).fill(factor));
      const reverse = rotated.process(schedule, predicts);
      const xT = latent(reverse.forward, rng(1), [count, ...shape]);
      const x0 = await finish(make(list)(reverse, xT, { condition, rng: rng(2) }));
      const { mean, covariance } = moments(product(toBatch(x0), rotated.toY));
      tf.dispose([x0, xT, condition.factor]);
      for (const [k, row] of covariance.entries()) {
        const data = component(factor, k);
        assertClose(`the mean of component ${k}`, [mean[k]!], [data.mean], {
          relative: 0,
          absolute: error / 10 + (4 * data.deviation) / Math.sqrt(count),
        });
        for (const [j, value] of row.entries()) {
          const scale = data.deviation * component(factor, j).deviation;
          assertClose(`the covariance of components ${k} and ${j}`, [value], [j === k ? scale : 0], {
            relative: error,
            absolute: 4 * scale * Math.sqrt((j === k ? 2 : 1) / count),
          });
        }
      }
    });
  }

  behaviour('example i is the same in a batch of three and in batches of one and two', async () => {
    const reverse = skewed.process(schedule, vPrediction);
    const draw = (first: number, count: number): Promise<Batch> =>
      end(make(trailing(9)), reverse, NOISE.slice(first, first + count), {
        factors: FACTORS.slice(first, first + count),
        rng: rng(5).rows(first),
      });
    const parts = [...(await draw(0, 1)), ...(await draw(1, 2))];
    assertClose('an example', parts.flat(), (await draw(0, 3)).flat(), { relative: 0, absolute: 0 });
  });

  for (const [which, list] of LISTS) {
    behaviour(`a reverse process that puts known elements back keeps doing so on ${which}`, async () => {
      const reverse = skewed.process(schedule, vPrediction);
      const wrapped = { ...reverse, evaluate: withKnown(reverse.evaluate.bind(reverse), reverse.forward) };
      const shown = await record(make(list), wrapped, NOISE, source());
      assertClose(
        'the times to which it went',
        shown.to.map(({ t }) => t),
        Array.from(list(schedule).slice(1)),
      );
      for (const batch of [...shown.x0, shown.end]) for (const row of batch) assertKnown(row);
    });
  }

  behaviour('the process is asked whether it can take the steps, and refuses at the call', () => {
    const asked: Float64Array[] = [];
    const refusing = {
      ...skewed.process(schedule, vPrediction),
      checkTimes(list: Float64Array): void {
        asked.push(list);
        throw new RangeError('not these');
      },
    };
    const start = (): unknown => make(trailing(3))(refusing, tf.scalar(0), source());
    return assertThrows(
      'it must refuse what the process refuses',
      start,
      isSaying(RangeError, /^not these$/),
    ).then(() => assertClose('the times that it asked about', [...asked[0]!], [19, 12, 6, -1]));
  });

  behaviour(
    'a network that predicts the previous mean takes the steps it was trained on, and no others',
    async () => {
      const previous = skewed.process(schedule, previousMeanPrediction);
      const refused = isSaying(RangeError, /previous mean/);
      const start = (): unknown => make(trailing(5))(previous, tf.scalar(0), source());
      await assertThrows('it must refuse other steps', start, refused);
      const expected = await end(make(every()), skewed.process(schedule, vPrediction), NOISE, source());
      try {
        const reached = await end(make(every()), previous, NOISE, source());
        assertClose('the end', reached.flat(), expected.flat(), { relative: 1e-3, absolute: 1e-3 });
      } catch (error) {
        // One that visits more than the times that it is given may refuse those too.
        if (!refused(error)) throw error;
      }
    },
  );

  behaviour('a network that answers later gives the same numbers, and leaves nothing behind', async () => {
    const reverse = skewed.process(schedule, vPrediction);
    const later = { ...reverse, denoiser: eventually(reverse.denoiser) };
    const list = trailing(5);
    const [expected, found] = [
      await record(make(list), reverse, NOISE, source()),
      await record(make(list), later, NOISE, source()),
    ];
    const exactly = { relative: 0, absolute: 0 };
    assertClose('x', values(found.x), values(expected.x), exactly);
    assertClose('the end', found.end.flat(), expected.end.flat(), exactly);
    await assertNoLeak('a run', () => end(make(list), later, NOISE, source()));
  });

  for (const wrap of [atOnce, eventually]) {
    const which = wrap === eventually ? 'that answers later' : 'that answers at once';
    /** A run on a network of this kind, all that it is given freed. */
    const running = async (
      network: (denoiser: Denoiser) => Denoiser,
      f: (run: ReturnType<Sampler>) => unknown,
      options: SamplerOptions = {},
    ): Promise<void> => {
      const reverse = skewed.process(schedule, vPrediction);
      const process = { ...reverse, denoiser: wrap(network(reverse.denoiser)) };
      const [start, condition] = [toTensor(NOISE, shape), conditioned()];
      await f(make(trailing(8))(process, start, { condition, ...source(), ...options }));
      assert(!start.isDisposed, 'it disposed x_T, which is the caller’s');
      tf.dispose([start, condition.factor]);
    };

    behaviour(`when a network ${which} fails, the generator fails with its error and nothing is left`, () =>
      assertNoLeak('a failed run', () => {
        let calls = 0;
        const failing =
          (denoiser: Denoiser): Denoiser =>
          (...asked) => {
            calls += 1;
            if (calls > 3) throw new Error('the server is gone');
            return denoiser(...asked);
          };
        return running(failing, (run) =>
          assertThrows(
            'it must fail with the network',
            () => finish(run),
            isSaying(Error, /^the server is gone$/),
          ),
        );
      }),
    );

    behaviour(
      `with a network ${which}, aborting throws the reason between two steps and frees everything`,
      () =>
        assertNoLeak('an aborted run', () => {
          const controller = new AbortController();
          const reason = new Error('enough');
          const indices: number[] = [];
          const aborting =
            (denoiser: Denoiser): Denoiser =>
            (...asked) => {
              // While the third step is under way, so that it is still finished and shown.
              if (indices.length === 2) controller.abort(reason);
              return denoiser(...asked);
            };
          const { signal } = controller;
          return running(
            aborting,
            async (run) => {
              const finishing = (): unknown => finish(run, ({ index }) => indices.push(index));
              await assertThrows('it must throw the reason', finishing, (error) => error === reason);
              assert(indices.length === 3, `aborted in its third step, it showed ${indices.length}`);
            },
            { signal },
          );
        }),
    );

    behaviour(`with a network ${which}, leaving early frees everything`, () =>
      assertNoLeak('a run that is left', () =>
        running(
          (denoiser) => denoiser,
          async (run) => {
            for await (const { index } of run) if (index === 4) break;
          },
        ),
      ),
    );

    behaviour(`with a network ${which}, a finished run leaves nothing behind but what it returned`, () =>
      assertNoLeak('a finished run', () =>
        running(
          (denoiser) => denoiser,
          async (run) => (await finish(run)).dispose(),
        ),
      ),
    );
  }

  behaviour('a signal that was aborted before the start prevents the first evaluation', async () => {
    const reverse = skewed.process(schedule, vPrediction);
    let asked = 0;
    const denoiser: Denoiser = (...question) => {
      asked += 1;
      return reverse.denoiser(...question);
    };
    const signal = AbortSignal.abort(new Error('no'));
    const start = toTensor(NOISE, shape);
    const process = { ...reverse, denoiser };
    const run = make(every())(process, start, { signal, ...source() });
    await assertThrows('it must throw the reason', () => run.next(), isSaying(Error, /^no$/));
    assert(asked === 0, 'it asked the network all the same');
    start.dispose();
  });

  behaviour(
    'a step shows where it starts from and goes to, the sample and what the network sees in it',
    async () => {
      const list = times([16.5, 10, 3]);
      const start = toTensor(NOISE, shape);
      const condition = conditioned();
      const levels = levelsOf(list, schedule);
      const run = make(list)(skewed.process(schedule, vPrediction), start, { condition, ...source() });
      const shown: tf.Tensor[] = [];
      let steps = 0;
      let next = await run.next();
      for (; !next.done; next = await run.next()) {
        const { from, to, x, x0, index, total } = next.value;
        assert(index === steps, `step ${steps} says that it is ${index}`);
        assert(total === undefined || total === 3, `of 3 steps it says that they are ${total}`);
        assert(
          to.t === levels[index + 1]!.t,
          `step ${index} goes to ${to.t}, expected ${levels[index + 1]!.t}`,
        );
        // One that churns begins from more noise.
        const { t } = levels[index]!;
        assert(from.t >= t, `step ${index} begins at ${from.t}, expected ${t}, or more noise`);
        const before = toBatch(x);
        if (index === 0 && from.t === t) assertClose('the first x', before.flat(), NOISE.flat());
        assertClose('x̂_0', [...x0.dataSync()], skewed.x0(before, from, FACTORS).flat());
        shown.push(x, x0);
        steps += 1;
      }
      assert(steps === 3, `it took ${steps} steps instead of 3`);
      assert(
        shown.every(({ isDisposed }) => isDisposed),
        'a tensor that a step showed is still there at the end',
      );
      tf.dispose([next.value, start, condition.factor]);
    },
  );

  behaviour(
    draws ? 'without an rng it refuses at the call' : 'it draws nothing, and needs no rng',
    async () => {
      const reverse = skewed.process(schedule, vPrediction);
      if (draws) {
        const start = (): unknown => make(trailing(3))(reverse, tf.scalar(0));
        await assertThrows('it must ask for an rng', start, isSaying(TypeError, /rng/));
        return;
      }
      const poisoned = {
        rng: new Proxy(rng(1), {
          get() {
            throw new Error('it drew');
          },
        }),
      };
      const [found, expected] = [
        await end(make(trailing(3)), reverse, NOISE, poisoned),
        await end(make(trailing(3)), reverse, NOISE),
      ];
      assertClose('the end', found.flat(), expected.flat(), { relative: 0, absolute: 0 });
    },
  );

  for (const [what, list, message] of [
    ['rise', () => [-1, 10, 19], /must fall/],
    ['stand still', () => [19, 10, 10, -1], /must fall/],
    ['are not numbers', () => [19, Number.NaN, -1], /must fall/],
    ['do not end at the data', () => [19, 10, 0], /must end at the data/],
    ['are the data alone', () => [-1], /at least two times/],
    ['are none', () => [], /at least two times/],
    ['the schedule does not have', () => [20, 10, -1], /t is 20/],
    ['are more than the schedule has', trailing(21), /21/],
  ] as const) {
    behaviour(`times that ${what} are refused at the call`, () => {
      const reverse = skewed.process(schedule, vPrediction);
      const refuse = (): unknown =>
        make((on) => Float64Array.from(list(on)))(reverse, tf.scalar(0), source());
      return assertThrows(`times that ${what} must be refused`, refuse, isSaying(RangeError, message));
    });
  }

  return cases;
}

/** Whether an error is of this kind and says this. */
function isSaying(kind: new (message: string) => Error, message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof kind && message.test(error.message);
}

const atOnce = (denoiser: Denoiser): Denoiser => denoiser;

// Known are the first element of an example and the last.
const KNOWN = [0.25, Number.NaN, Number.NaN, -0.75];

function assertKnown(row: readonly number[]): void {
  assertClose('what is known', [row[0]!, row[3]!], [0.25, -0.75], { relative: 5e-6, absolute: 0 });
  assert(Math.abs(row[1]! - 0.25) > 1e-3, `what is not known is ${row[1]}, as if it were`);
}

/** An evaluation by which the known elements are what they are. */
function withKnown(
  evaluate: ReverseProcess['evaluate'],
  forward: ForwardProcess,
): (...args: Parameters<ReverseProcess['evaluate']>) => Promise<Evaluation> {
  const known = (x0: tf.Tensor): tf.Tensor =>
    tf.tidy(() => {
      const rows = tf.broadcastTo(
        tf.tensor(
          KNOWN.map((x) => x || 0),
          [1, ...shape],
        ),
        x0.shape,
      );
      const mask = tf.broadcastTo(
        tf.tensor(
          KNOWN.map((x) => !Number.isNaN(x)),
          [1, ...shape],
          'bool',
        ),
        x0.shape,
      );
      return tf.where(mask, rows, x0);
    });
  return async (xt, t, condition) => {
    const seen = await evaluate(xt, t, condition);
    const x0 = (): tf.Tensor => tf.tidy(() => known(seen.x0()));
    return {
      x0,
      to: (s) => tf.tidy(() => forward.posterior(x0(), xt, t, s) as Gaussian & tf.NamedTensorMap),
      dispose: () => seen.dispose(),
    };
  };
}

/** The processes of `skewed` on `schedule` with small variances, written down anew and in the fewest words. */
function ownProcess(): ReverseProcess {
  const levels = (t: number): ReturnType<NoiseSchedule['level']> => schedule.level(t);
  const { denoiser } = skewed.process(schedule, vPrediction);
  const forward: ForwardProcess = {
    ...gaussianDiffusion(schedule),
    posterior(x0, xt, t, s) {
      if (typeof t !== 'number' || typeof s !== 'number') throw new TypeError('one time for all');
      const [from, to] = [levels(t), levels(s)];
      // Bayes: the precisions of x_s given x_0, and given x_t, add up.
      const step = from.alpha / to.alpha;
      const noise = from.sigma ** 2 - (step * to.sigma) ** 2;
      const variance = 1 / (step ** 2 / noise + to.sigma ** -2);
      const ofX0 = to.sigma === 0 ? 1 : (variance * to.alpha) / to.sigma ** 2;
      const ofXt = (variance * step) / noise;
      const mean = tf.add(tf.mul(ofX0, x0), tf.mul(ofXt, xt));
      return gaussian({ mean, logVariance: Math.log(variance) });
    },
  };
  return {
    forward,
    evaluate(xt, t, condition) {
      const { alpha, sigma } = levels(t as number);
      const v = denoiser(xt, tf.fill([xt.shape[0]!], t as number), condition) as tf.Tensor;
      const x0 = (): tf.Tensor => tf.sub(tf.mul(alpha, xt), tf.mul(sigma, v));
      return { x0, to: (s) => forward.posterior(x0(), xt, t, s), dispose: () => v.dispose() };
    },
  };
}
