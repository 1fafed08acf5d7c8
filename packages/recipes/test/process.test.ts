import { cosine, linear, rectified, rescaleToZeroTerminalSnr } from '@diffusion-ts/schedules';
import { useBackend } from '@diffusion-ts/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { build, ConfigError, forwardOf, isDiscrete, reverseOf, scheduleOf } from '../src/index.js';
import { namesAt, type Setting, tiny } from './settings.js';

const scheduled = (schedule: object) => tiny(['process.schedule', schedule]).process.schedule;
const BETAS = [0.1, 0.2, 0.3];

describe('the process of a run', () => {
  beforeAll(() => useBackend('cpu'));

  it.each(namesAt('process.schedule.kind'))('has the %s schedule from its defaults on', (kind) => {
    const schedule = scheduleOf(scheduled(kind === 'betas' ? { kind, betas: BETAS } : { kind }));
    const { least, start, end } = schedule;
    expect(schedule.level(start)).toMatchObject({ alpha: 1, sigma: 0 });
    expect(schedule.level(least).logSnr).toBeGreaterThan(schedule.level(end).logSnr);
    // z_0 of a learned schedule is one more.
    const steps = { betas: 3, rectified: undefined, 'variance-exploding': undefined, learned: 1001 };
    expect(schedule.steps).toBe(kind in steps ? steps[kind as keyof typeof steps] : 1000);
    expect(isDiscrete(schedule)).toBe(schedule.steps !== undefined);
  });

  it('has the numbers that the settings name', () => {
    const same = (given: object, betas: Float64Array) => {
      const schedule = scheduleOf(scheduled(given));
      expect(isDiscrete(schedule) && [...schedule.betas]).toEqual([...betas]);
    };
    same({ kind: 'linear', steps: 50 }, linear({ steps: 50 }).betas);
    same(
      { kind: 'linear', steps: 50, start: 0.01, end: 0.2 },
      linear({ steps: 50, start: 0.01, end: 0.2 }).betas,
    );
    same(
      { kind: 'cosine', steps: 20, offset: 0.1, maxBeta: 0.5 },
      cosine({ steps: 20, offset: 0.1, maxBeta: 0.5 }).betas,
    );
    same({ kind: 'betas', betas: BETAS }, Float64Array.from(BETAS));
    expect(scheduleOf(scheduled({ kind: 'rectified', shift: 3 })).level(0.5)).toEqual(
      rectified({ shift: 3 }).level(0.5),
    );
    const exploding = scheduleOf(scheduled({ kind: 'variance-exploding', sigmaMin: 0.01, sigmaMax: 9 }));
    expect([exploding.least, exploding.end]).toEqual([0.01, 9]);
  });

  it('ends at no signal where that is asked for', () => {
    const { process } = tiny(
      ['process.schedule', { kind: 'cosine', steps: 10 }],
      ['process.zeroTerminalSnr', true],
    );
    const { schedule } = forwardOf(process);
    expect(schedule.level(9).alpha).toBe(0);
    expect(schedule.level(4)).toEqual(rescaleToZeroTerminalSnr(cosine({ steps: 10 })).level(4));
    expect(scheduleOf(process.schedule).level(9).alpha).toBeGreaterThan(0);
  });

  it('of continuous time has no steps to rescale to no signal', () => {
    const { process } = tiny(['process.schedule', { kind: 'rectified' }], ['process.zeroTerminalSnr', true]);
    expect(() => forwardOf(process)).toThrow(
      new ConfigError(
        'process.zeroTerminalSnr is true: expected false, since the rectified schedule has no steps to rescale.',
      ),
    );
  });

  const SCHEDULES = [{ kind: 'cosine', steps: 10 }, { kind: 'rectified' }, { kind: 'variance-exploding' }];
  it.each(namesAt('process.predicts'))(
    'predicts %s on every schedule, unless it says why not',
    (predicts) => {
      for (const schedule of SCHEDULES) {
        const config = tiny(['process.schedule', schedule], ['process.predicts', predicts]);
        const refusal = {
          previous: schedule.kind === 'cosine' ? undefined : 'needs a discrete schedule',
          epsilon: schedule.kind === 'rectified' ? 'says nothing of x_0' : undefined,
          edm: schedule.kind === 'rectified' ? 'says nothing of x_0' : undefined,
        }[predicts];
        if (refusal === undefined) expect(() => build(config)).not.toThrow();
        else
          expect(() => build(config)).toThrow(
            new RegExp(`^process: a network that predicts .*${refusal}.*\\.$`),
          );
      }
    },
  );

  it.each(namesAt('process.variance'))('has the %s variance between the steps of a schedule', (variance) => {
    const { process } = tiny(['process.variance', variance]);
    const learned = variance.startsWith('learned');
    const denoiser = (xt: tf.Tensor) => tf.zeros([xt.shape[0]!, learned ? 4 : 2]);
    const reverse = reverseOf(forwardOf(process), process, denoiser, false);
    expect(reverse.variance.name).toBe(variance);
    expect(reverse.predicts.name).toBe('v');
    expect(reverse.variance.learned).toBe(learned);
    const evaluation = reverse.evaluate(tf.ones([3, 2]), 5);
    if (evaluation instanceof Promise) throw new Error('the network answers at once');
    expect(evaluation.to(2).mode().shape).toEqual([3, 2]);
  });

  it('keeps x_0 in [−1, 1] where it is asked to, and only there', () => {
    const { process } = tiny(['process.predicts', 'x0']);
    const x0 = (clip: boolean) => {
      const reverse = reverseOf(forwardOf(process), process, (xt) => tf.fill(xt.shape, 3), clip);
      const evaluation = reverse.evaluate(tf.ones([1, 2]), 5);
      if (evaluation instanceof Promise) throw new Error('the network answers at once');
      return [...evaluation.x0().dataSync()];
    };
    expect([x0(true), x0(false)]).toEqual([
      [1, 1],
      [3, 3],
    ]);
  });

  it('that cannot be is refused with the sentence of the schedule, or of the prediction on it', () => {
    const refused = (...changes: Setting[]) => {
      expect(() => build(tiny(...changes))).toThrow(ConfigError);
      return expect(() => build(tiny(...changes)));
    };
    refused(['process.schedule', { kind: 'linear', steps: 10 }]).toThrow(
      /^process\.schedule: steps is 10, too few .*\.$/,
    );
    refused(['process.schedule', { kind: 'variance-exploding', sigmaMin: 90 }]).toThrow(
      'process.schedule: sigmaMin is 90, expected less than sigmaMax, which is 80.',
    );
    refused(['process.zeroTerminalSnr', true], ['process.predicts', 'epsilon']).toThrow(
      /^process: a network that predicts epsilon says nothing of x_0 at t = 9, where the signal is 0: .*\.$/,
    );
    refused(['process.schedule', { kind: 'rectified' }], ['process.variance', 'learned']).toThrow(
      /^process: variance 'learned' is that of a step of a discrete schedule: .*\.$/,
    );
  });
});
