import { nextTask } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';

/** Tensors `[batch, …]` that an ODE takes along together. */
export type State = readonly tf.Tensor[];

/** dy/ds, or what else a pair of formulas goes by at y: new tensors, which the caller frees. */
export type Field = (y: State, s: number) => Promise<State>;

/** Where a pair of formulas of neighbouring orders leads, and its error. */
export interface Attempt {
  /** y there, by the better formula. */
  readonly y: State;
  /** How far the two are apart. */
  readonly error: State;
  /** What the field says there, where the pair has asked already. */
  readonly slope?: State;
}

/** A step of both formulas. What it asks the field for, and makes in `own`, lives until the step is done. */
export type Pair = (
  at: {
    /** Where it starts. */
    readonly s: number;
    /** Where it goes. */
    readonly to: number;
    /** The state there. */
    readonly y: State;
    /** What the field says there. */
    readonly slope: State;
  },
  field: Field,
  own: (f: () => tf.Tensor) => tf.Tensor,
) => Promise<Attempt>;

/** From where to where, and how exactly. */
export interface Journey {
  readonly from: number;
  readonly to: number;
  /** What the error of a step may be, for a number of size 1; relative to greater ones, absolute with lesser ones. */
  readonly tolerance: number;
  /** The power of h by which the error of a step falls. */
  readonly order: number;
  readonly signal?: AbortSignal | undefined;
}

/** A step that was good enough. Its tensors are valid until the generator is resumed. */
export interface Accepted {
  readonly s: number;
  readonly to: number;
  readonly y: State;
  readonly slope: State;
}

/** The first step tried is this part of the way. */
const FIRST = 1 / 20;
/** A step as short as this part of the way tells that float32, or the network, is not so exact. */
const SHORTEST = 1e-5;

/**
 * Follows an ODE with steps as long as an embedded pair of formulas allows (Hairer, Nørsett & Wanner 1993, section II.4):
 * a step whose error, the root mean square of the worst example in units of the tolerance, is E ≤ 1 is taken, and the next
 * one, or another attempt, is 0.9 E^(−1/order) times as long, between a fifth and five times. Returns the state at the end
 * and what the field says there, which belong to the caller; `y0` remains the caller's.
 * @throws RangeError if no step is short enough; the signal's reason once it is aborted; what the field throws.
 */
export async function* adaptively(
  pair: Pair,
  field: Field,
  y0: State,
  { from, to, tolerance, order, signal }: Journey,
): AsyncGenerator<Accepted, Pick<Accepted, 'y' | 'slope'>> {
  const scratch: tf.Tensor[] = [];
  const own = (f: () => tf.Tensor): tf.Tensor => {
    const made = tf.tidy(() => tf.clone(f()));
    scratch.push(made);
    return made;
  };
  const asking: Field = async (y, s) => {
    const slope = await field(y, s);
    scratch.push(...slope);
    return slope;
  };
  const kept = (state: State): State => state.map((x) => tf.clone(x));
  let y = kept(y0);
  let slope: State = [];
  let handedOver = false;
  try {
    await nextTask();
    signal?.throwIfAborted();
    slope = kept(await asking(y, from));
    tf.dispose(scratch.splice(0));
    let s = from;
    let h = (to - from) * FIRST;
    while (s !== to) {
      await nextTask();
      signal?.throwIfAborted();
      const isLast = Math.abs(h) >= Math.abs(to - s) * (1 - 1e-9);
      if (isLast) h = to - s;
      const next = isLast ? to : s + h;
      const attempt = await pair({ s, to: next, y, slope }, asking, own);
      const error = await errorOf(attempt, y, tolerance);
      if (error <= 1) {
        const arrived = [kept(attempt.y), kept(attempt.slope ?? (await asking(attempt.y, next)))] as const;
        tf.dispose(scratch.splice(0));
        const left = [...y, ...slope];
        const accepted = { s, to: next, y, slope };
        [y, slope] = arrived;
        s = next;
        try {
          yield accepted;
        } finally {
          tf.dispose(left);
        }
      } else {
        tf.dispose(scratch.splice(0));
        if (Math.abs(h) < Math.abs(to - from) * SHORTEST) {
          throw new RangeError(
            `tolerance is ${tolerance}, and no step is short enough for it: expected a larger one, or a network that says finite numbers`,
          );
        }
      }
      h *= Math.min(5, Math.max(0.2, 0.9 * error ** (-1 / order)));
    }
    handedOver = true;
    return { y, slope };
  } finally {
    tf.dispose(scratch);
    if (!handedOver) tf.dispose([...y, ...slope]);
  }
}

/** The error of an attempt in units of what is tolerated; ∞ where it is not a number. */
async function errorOf({ y: there, error }: Attempt, y: State, tolerance: number): Promise<number> {
  const squares = tf.tidy(() =>
    tf.concat(
      error.map((e, i) => {
        const size = tf.maximum(tf.abs(y[i]!), tf.abs(there[i]!));
        const scaled = tf.div(e, tf.mul(tolerance, tf.add(1, size)));
        return tf.mean(tf.reshape(tf.square(scaled), [e.shape[0]!, -1]), 1);
      }),
    ),
  );
  const worst = Math.max(...(await squares.data()));
  squares.dispose();
  return Number.isNaN(worst) ? Number.POSITIVE_INFINITY : Math.sqrt(worst);
}

const STAGES = [
  [1 / 5],
  [3 / 40, 9 / 40],
  [44 / 45, -56 / 15, 32 / 9],
  [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
  [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656],
  [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
] as const;
const NODES = [1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1] as const;
const DIFFERENCE = [71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40] as const;

/** The power of h by which the error of `dormandPrince` falls. */
export const DORMAND_PRINCE_ORDER = 5;

/**
 * The pair of orders 5 and 4 of Dormand & Prince 1980 (RK45, DOPRI5): six evaluations of the field a step, the last of which
 * is the first of the next.
 */
export const dormandPrince: Pair = async ({ s, to, y, slope }, field, own) => {
  const h = to - s;
  const slopes: State[] = [slope];
  const combined = (factors: readonly number[], i: number): tf.Tensor[] =>
    factors.flatMap((factor, k) => (factor === 0 ? [] : [tf.mul(h * factor, slopes[k]![i]!)]));
  let there = y;
  for (const [stage, factors] of STAGES.entries()) {
    there = y.map((x, i) => own(() => tf.addN([x, ...combined(factors, i)])));
    slopes.push(await field(there, NODES[stage] === 1 ? to : s + NODES[stage]! * h));
  }
  return {
    y: there,
    error: y.map((_, i) => own(() => tf.addN(combined(DIFFERENCE, i)))),
    slope: slopes.at(-1)!,
  };
};
