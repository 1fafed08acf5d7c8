import {
  edmPrediction,
  flowPrediction,
  previousMeanPrediction,
  vPrediction,
} from '@diffusion-ts/reverse-process';
import {
  continuous,
  linear,
  type NoiseLevel,
  rectified,
  rescaleToZeroTerminalSnr,
  startingAt,
  times,
  trailing,
  varianceExploding,
} from '@diffusion-ts/schedules';
import { finish } from '@diffusion-ts/tensor';
import { expectAllClose, expectNoLeak, onEachBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { type Batch, distance, sum, toBatch, toTensor } from '../src/conformance/batch.js';
import { eventually } from '../src/conformance/eventually.js';
import { FACTORS, NOISE, SHAPE, skewed } from '../src/conformance/mixing-data.js';
import { type AdaptiveOptions, dpmAdaptive, rk45, type Sampler } from '../src/index.js';
import { end, record } from './running.js';

const ADAPTIVE = [
  ['rk45', rk45],
  ['dpmAdaptive', dpmAdaptive],
] as const satisfies readonly (readonly [string, (options?: AdaptiveOptions) => Sampler])[];

const cosine = continuous((u) => -2 * Math.log(Math.tan((Math.PI * u) / 2)));
const FRAMES = [
  ['linear, of a thousand steps', linear({ steps: 1000 }), vPrediction],
  [
    'a linear one rescaled to end in pure noise',
    rescaleToZeroTerminalSnr(linear({ steps: 1000 })),
    vPrediction,
  ],
  ['a cosine in continuous time', cosine, vPrediction],
  ['variance exploding to σ = 80', varianceExploding(), edmPrediction()],
  ['the straight path from pure noise', rectified(), flowPrediction],
] as const;

const linear40 = linear({ steps: 40, start: 1e-3, end: 0.3 });
const onLinear = skewed.process(linear40, vPrediction);
type Process = typeof onLinear;

/** The same network, which tells of every time that it is asked about. */
function listening(reverse: Process, told: (t: number) => void): Process {
  return {
    ...reverse,
    denoiser(xt, t, condition) {
      told(t.dataSync()[0]!);
      return reverse.denoiser(xt, t, condition);
    },
  };
}

const noiseAt = ({ sigma }: NoiseLevel): Batch => sum([sigma, NOISE]);

onEachBackend(() => {
  for (const [name, make] of ADAPTIVE) {
    for (const [where, schedule, predicts] of FRAMES) {
      test(`${name} on ${where} ends where the flow goes, the nearer the smaller the tolerance`, async () => {
        const reverse = skewed.process(schedule, predicts);
        const [first, last] = [schedule.level(schedule.end), schedule.level(schedule.least)];
        const xT = noiseAt(first);
        const errors: number[] = [];
        for (const tolerance of [1e-2, 1e-4]) {
          const { x, from } = await record(make({ tolerance }), reverse, xT);
          expect(from.at(-1)).toEqual(last);
          errors.push(distance(x.at(-1)!, skewed.flow(xT, first, last, FACTORS)));
        }
        expect(errors[0]).toBeLessThan(0.06);
        expect(errors[1]).toBeLessThan(5e-4);
        expect(errors[1]! * 10).toBeLessThan(errors[0]!);
      });
    }
  }
});

onEachBackend(() => {
  for (const [name, make] of ADAPTIVE) {
    test(`a step of ${name} leads on from the one before, on the flow, and shows what the network sees`, async () => {
      const schedule = rectified();
      const [first, last, data] = [1, schedule.least, 0].map((t) => schedule.level(t)) as [
        NoiseLevel,
        NoiseLevel,
        NoiseLevel,
      ];
      const start = toTensor(NOISE, SHAPE);
      const condition = { factor: tf.tensor1d([...FACTORS]) };
      const run = make({ tolerance: 1e-3 })(skewed.process(schedule, flowPrediction), start, { condition });
      const visited: NoiseLevel[] = [];
      let next = await run.next();
      for (; !next.done; next = await run.next()) {
        const { from, to, x, x0, index, ...rest } = next.value;
        expect(rest, 'no total').toEqual({});
        expect(index).toBe(visited.length);
        if (index > 0) expect(from).toEqual(visited.at(-1));
        expect(to.t).toBeLessThan(from.t);
        visited.push(to);
        const here = toBatch(x);
        expect(distance(here, skewed.flow(NOISE, first, from, FACTORS))).toBeLessThan(0.02);
        expectAllClose(x0, skewed.x0(here, from, FACTORS).flat(), { relative: 1e-3, absolute: 1e-4 });
      }
      expect(visited.slice(-2)).toEqual([last, data]);
      expect(start.isDisposed, 'the start remains').toBe(false);
      tf.dispose([next.value, start, condition.factor]);
    });

    test(`${name} takes more steps for a smaller tolerance, and asks the network as often as its paper says`, async () => {
      const counts = await Promise.all(
        [1e-2, 1e-3, 1e-5].map(async (tolerance) => {
          let asked = 0;
          const process = listening(onLinear, () => {
            asked += 1;
          });
          const { x } = await record(make({ tolerance }), process, NOISE);
          return { asked, steps: x.length - 1 };
        }),
      );
      for (const { asked, steps } of counts) {
        if (name === 'rk45') {
          // Six of every attempt, and one to begin with.
          expect((asked - 1) % 6).toBe(0);
          expect(asked).toBeGreaterThanOrEqual(1 + 6 * steps);
        } else {
          // Three of a step, two of an attempt that was too long.
          const tooLong = (asked - 1 - 3 * steps) / 2;
          expect(tooLong).toBeGreaterThanOrEqual(0);
          expect(Number.isInteger(tooLong)).toBe(true);
        }
      }
      expect(counts[0]!.steps).toBeLessThan(counts[2]!.steps);
    });

    test(`${name} begins at the first of its times, ends at the last but one, and finds the others`, async () => {
      const told: number[] = [];
      const process = listening(onLinear, (t) => told.push(t));
      const { from, to } = await record(make({ times: times([30.5, 20, 10, 2]) }), process, NOISE);
      expect([from[0]!.t, from.at(-1)!.t, to.at(-1)!.t]).toEqual([30.5, 2, -1]);
      expect(Math.max(...told)).toBe(30.5);
      expect(Math.min(...told)).toBe(2);
      expect(told).not.toContain(20);
    });

    test(`${name} with a single step takes what the network sees, from pure noise too`, async () => {
      for (const [schedule, predicts, t] of [
        [linear40, vPrediction, 25],
        [rectified(), flowPrediction, 1],
      ] as const) {
        const run = await record(make({ times: times([t]) }), skewed.process(schedule, predicts), NOISE);
        expect(run.x.length).toBe(1);
        expectAllClose(run.end.flat(), skewed.x0(NOISE, schedule.level(t), FACTORS).flat(), {
          relative: 1e-4,
          absolute: 1e-5,
        });
      }
    });

    test(`of ${name} an example alone and in a batch differ by no more than the tolerance`, async () => {
      const tolerance = 1e-3;
      const together = await end(make({ tolerance }), onLinear, NOISE);
      for (const [i, row] of NOISE.entries()) {
        const alone = await end(make({ tolerance }), onLinear, [row], { factors: [FACTORS[i]!] });
        expect(distance(alone, [together[i]!])).toBeLessThan(20 * tolerance);
      }
    });

    test(`${name} goes on from where noise was added, and draws nothing`, async () => {
      const list = startingAt(21.5, trailing(5));
      const poisoned = { rng: new Proxy({} as never, { get: () => expect.fail('it drew') }) };
      const run = await record(make({ times: list, tolerance: 1e-4 }), onLinear, NOISE, poisoned);
      const [first, last] = [linear40.level(21.5), run.from.at(-1)!];
      expect(run.from[0]).toEqual(first);
      expect(distance(run.x.at(-1)!, skewed.flow(NOISE, first, last, FACTORS))).toBeLessThan(1e-3);
    });

    for (const [when, wrap] of [
      ['at once', (denoiser: Process['denoiser']) => denoiser],
      ['later', eventually],
    ] as const) {
      const process = { ...onLinear, denoiser: wrap(onLinear.denoiser) };

      test(`${name} with a network that answers ${when} leaves nothing behind, finished or left early`, async () => {
        await expectNoLeak(async () => {
          const start = toTensor(NOISE, SHAPE);
          const condition = { factor: tf.tensor1d([...FACTORS]) };
          const x0 = await finish(make()(process, start, { condition }));
          for await (const { index } of make()(process, start, { condition })) if (index === 2) break;
          for await (const _ of make()(process, start, { condition })) break;
          return [start, condition.factor, x0];
        });
      });

      test(`aborted, or with a network that fails ${when}, ${name} throws the reason and frees everything`, async () => {
        for (const failsAt of [1, 2, 6, 15]) {
          for (const how of ['fails', 'is stopped'] as const) {
            const start = toTensor(NOISE, SHAPE);
            const condition = { factor: tf.tensor1d([...FACTORS]) };
            const controller = new AbortController();
            const reason = new Error(how);
            let asked = 0;
            const failing = {
              ...onLinear,
              denoiser: wrap((...question) => {
                asked += 1;
                if (asked === failsAt && how === 'fails') throw reason;
                if (asked === failsAt) controller.abort(reason);
                return onLinear.denoiser(...question);
              }),
            };
            const before = tf.memory().numTensors;
            const run = make({ tolerance: 1e-3 })(failing, start, { condition, signal: controller.signal });
            await expect(finish(run)).rejects.toBe(reason);
            expect(tf.memory().numTensors).toBe(before);
            tf.dispose([start, condition.factor]);
          }
        }
      });
    }

    test(`a signal that was aborted before the start keeps ${name} from asking`, async () => {
      const process = listening(onLinear, () => expect.fail('it asked'));
      const start = toTensor(NOISE, SHAPE);
      const signal = AbortSignal.abort(new Error('no'));
      await expect(make()(process, start, { signal }).next()).rejects.toThrow('no');
      start.dispose();
    });

    test(`${name} refuses a tolerance that no step can have, and says so when float32 is too coarse for it`, async () => {
      for (const tolerance of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
        expect(() => make({ tolerance })).toThrow(
          `tolerance must be a positive, finite number, not ${tolerance}`,
        );
      const sentence =
        'tolerance is 1e-15, and no step is short enough for it: expected a larger one, or a network that says finite numbers';
      await expect(end(make({ tolerance: 1e-15 }), onLinear, NOISE)).rejects.toThrow(sentence);
      const broken = { ...onLinear, denoiser: (xt: tf.Tensor) => tf.fill(xt.shape, Number.NaN) };
      await expect(end(make({ tolerance: 0.1 }), broken, NOISE)).rejects.toThrow(
        'tolerance is 0.1, and no step is short enough',
      );
    });

    test(`${name} refuses a network that predicts the mean of other steps, and times that do not end at the data`, () => {
      const previous = skewed.process(linear40, previousMeanPrediction);
      expect(() => make()(previous, tf.scalar(0))).toThrow(/previous mean/);
      expect(() => make({ times: () => Float64Array.of(39, 3) })(onLinear, tf.scalar(0))).toThrow(
        'times must end at the data, -1, not at 3',
      );
    });
  }
}, ['cpu']);
