import type { ReverseProcess } from '@diffusion-ts/reverse-process';
import { isPureNoise, type NoiseLevel, type NoiseSchedule } from '@diffusion-ts/schedules';
import { axpby, checkTensor, nextTask } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type AdaptiveOptions, checkTolerance, endsOf } from './adaptive-options.js';
import { adaptiveWalk, type Frame } from './adaptive-walk.js';
import type { Pair } from './embedded-pair.js';
import { firstOrderStep } from './first-order.js';
import type { Sampler, SamplerOptions, SamplerStep } from './sampler.js';

/**
 * DPM-Solver-23 with adaptive steps (Lu et al. 2022, arXiv 2206.00927, algorithms 2, 4 and appendix C): DPM-Solver-3 and, from the same
 * evaluations, DPM-Solver-2 with r_1 = ⅓, in steps of λ = ln(α/σ) as long as the tolerance allows, 0.01 by default (the
 * paper takes 0.0078 absolutely and 0.05 relatively), from the first of the times to the last but one; from there x̂_0 is
 * taken. Three evaluations of the network a step, two where it turns out too long and is not shown. From pure noise, where
 * λ = −∞, its first step is Euler's, to where there is as little signal as there is noise at the end. Deterministic; its steps
 * have no `total`.
 *
 * All examples take the steps that the worst of them needs, so that a sample depends on those beside it, by no more than
 * the tolerance.
 * @throws RangeError if the tolerance is not positive and finite; when called as `fromSolver` does; while it runs if no
 * step is short enough.
 */
export function dpmAdaptive({ times, tolerance = 0.01 }: AdaptiveOptions = {}): Sampler {
  checkTolerance(tolerance);
  return (reverse, xT, options = {}) => {
    const ends = endsOf(times, reverse);
    const { schedule } = reverse.forward;
    const frame = halfLogSnr(schedule);
    const solver = { frame, pair: dpmSolver23(frame), order: 3, tolerance };
    const [first, last, data] = ends;
    if (!isPureNoise(first) || first === last) return adaptiveWalk(reverse, xT, ends, solver, options);
    const second = schedule.level(schedule.timeOf(-last.logSnr));
    return afterEuler(reverse, xT, [first, second], options, (x) =>
      adaptiveWalk(reverse, x, [second, last, data], solver, options),
    );
  };
}

/** A step of first order, and what follows. */
async function* afterEuler(
  reverse: ReverseProcess,
  xT: tf.Tensor,
  [from, to]: readonly [NoiseLevel, NoiseLevel],
  { signal, condition }: SamplerOptions,
  rest: (x: tf.Tensor) => AsyncGenerator<SamplerStep, tf.Tensor>,
): AsyncGenerator<SamplerStep, tf.Tensor> {
  checkTensor('xT', xT);
  await nextTask();
  signal?.throwIfAborted();
  const made = [tf.clone(xT)];
  try {
    const [x] = made as [tf.Tensor];
    const evaluation = await reverse.evaluate(x, from.t, condition);
    const x0 = tf.tidy(() => tf.clone(evaluation.x0()));
    evaluation.dispose();
    const next = firstOrderStep({ x, x0, from, to });
    made.push(x0, next);
    yield { from, to, x, x0, index: 0 };
    tf.dispose([x, x0]);
    const run = rest(next);
    try {
      let step = await run.next();
      for (; !step.done; step = await run.next()) yield { ...step.value, index: step.value.index + 1 };
      return step.value;
    } finally {
      await run.return(undefined as never);
    }
  } finally {
    tf.dispose(made);
  }
}

/** x itself, along λ. */
function halfLogSnr(schedule: NoiseSchedule): Frame {
  return {
    coordinate: ({ logSnr }) => logSnr / 2,
    level: (lambda) => schedule.level(schedule.timeOf(2 * lambda)),
    enter: (x) => x,
    leave: (x) => x,
    slope: (_, x0) => x0,
    x0: (_, x0) => x0,
  };
}

/** Algorithms 4 and, for its error, 2 of the paper, in which a field says x̂_0. */
function dpmSolver23(frame: Frame): Pair {
  const [r1, r2] = [1 / 3, 2 / 3];
  return async ({ s, to: end, y, slope }, field, own) => {
    const [x, x0] = [y[0]!, slope[0]!];
    const h = end - s;
    const [from, to] = [frame.level(s), frame.level(end)];
    const [s1, s2] = [frame.level(s + r1 * h), frame.level(s + r2 * h)];
    const toward = (level: NoiseLevel): tf.Tensor => own(() => firstOrderStep({ x, x0, from, to: level }));
    const epsilon = (x: tf.Tensor, x0: tf.Tensor, { alpha, sigma }: NoiseLevel): tf.Tensor =>
      own(() => axpby(1 / sigma, x, -alpha / sigma, x0));
    const epsilon0 = epsilon(x, x0, from);

    const u1 = toward(s1);
    const [x1] = await field([u1], s + r1 * h);
    const D1 = own(() => tf.sub(epsilon(u1, x1!, s1), epsilon0));
    const bend = (r2 / r1) * (Math.expm1(r2 * h) / (r2 * h) - 1);
    const u2 = own(() => axpby(1, toward(s2), -s2.sigma * bend, D1));
    const [x2] = await field([u2], s + r2 * h);
    const D2 = own(() => tf.sub(epsilon(u2, x2!, s2), epsilon0));

    const ofD1 = (-to.sigma * Math.expm1(h)) / (2 * r1);
    const ofD2 = (-to.sigma / r2) * (Math.expm1(h) / h - 1);
    return {
      y: [own(() => axpby(1, toward(to), ofD2, D2))],
      error: [own(() => axpby(ofD2, D2, -ofD1, D1))],
    };
  };
}
