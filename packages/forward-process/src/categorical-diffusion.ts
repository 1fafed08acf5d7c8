import type { NoiseSchedule } from '@diffusion-ts/schedules';
import { checkPerExample, type PerExample, zipExamples } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type Categorical, categorical, drawnBy, oneHot } from './categorical.js';
import { checkShape } from './check-shape.js';
import type { ForwardProcess } from './forward-process.js';
import { type Transition, uniformTransition } from './transition.js';

/** A process on classes, which x holds as float32: x_0 those of the data, x_t perhaps a mask too. */
export interface CategoricalDiffusion extends ForwardProcess<Categorical> {
  /** How many classes data have. */
  readonly classes: number;
  /** How many states x_t has: one more, where there is a mask. */
  readonly states: number;
  /** 1 for every class of x_0 that can become this x_t, and 0 for others: `[batch, …, classes]`. */
  possible(xt: tf.Tensor, t: PerExample): tf.Tensor;
  /**
   * Σ_{x_0} q(x_s | x_t, x_0) p(x_0), over the probabilities of x_0 `[batch, …, classes]`. Only an x_0 that can become
   * this x_t counts, and those together as 1: what is not masked is known.
   */
  posteriorOver(probabilities: tf.Tensor, xt: tf.Tensor, t: PerExample, s: PerExample): Categorical;
}

// Its inverse, times another probability, has a place in float32.
const LEAST_PROBABILITY = 1e-30;

/**
 * Diffusion on classes (Austin et al. 2021, D3PM, section 3) by a Markov chain, on any noise schedule that the chain knows:
 *
 * - `marginal`: q(x_t | x_0) = x_0 Q̄_t, eq. 3, of which `sample` draws by the noise, uniform in [0, 1);
 * - `posterior`: q(x_s | x_t, x_0) ∝ x_t Q_{t|s}ᵀ ∘ x_0 Q̄_s, eq. 3 between any two times;
 * - `prior`: what the chain ends in.
 *
 * Every result is a new tensor, or made of new ones, that belong to the caller. A number in x that is no class has no
 * marginal and no posterior, and is not looked for.
 * @throws RangeError if shapes do not fit, or the schedule has no such time; TypeError if a time is no number of the host.
 */
export function categoricalDiffusion(schedule: NoiseSchedule, transition: Transition): CategoricalDiffusion {
  const { classes, states, prior, between } = transition(schedule);
  const { start } = schedule;

  /** Matrices [1 or batch, rows, states] from s to t, an entry of each made what `f` says. */
  const matrices = (s: PerExample, t: PerExample, rows: number, f?: (q: number) => number): tf.Tensor3D => {
    const made = new Map<string, Float64Array>();
    const list: Float64Array[] = [];
    zipExamples(s, t, (s, t) => {
      const key = `${s} ${t}`;
      let own = made.get(key);
      if (own === undefined) {
        const matrix = between(s, t).subarray(0, rows * states);
        own = f ? matrix.map(f) : matrix;
        made.set(key, own);
      }
      return list.push(own);
    });
    const values = new Float32Array(list.length * rows * states);
    for (const [i, matrix] of list.entries()) values.set(matrix, i * rows * states);
    return tf.tensor3d(values, [list.length, rows, states]);
  };
  const marginal = (x0: tf.Tensor, t: PerExample): tf.Tensor =>
    tf.tidy(() => rowsTimes(oneHot(x0, classes), matrices(start, t, classes)));

  const posteriorOver: CategoricalDiffusion['posteriorOver'] = (probabilities, xt, t, s) => {
    checkPerExample('t', t, 'xt', xt);
    checkPerExample('s', s, 'xt', xt);
    zipExamples(t, s, (t, s) => {
      if (schedule.level(s).logSnr > schedule.level(t).logSnr) return s;
      throw new RangeError(`s is ${s}, expected a time of less noise than t, which is ${t}`);
    });
    return categorical(
      tf.tidy(() => {
        const seen = oneHot(xt, states);
        const inverse = matrices(start, t, classes, (q) => (q > LEAST_PROBABILITY ? 1 / q : 0));
        const ofX0 = tf.mul(probabilities, rowsTimes(seen, transposed(inverse)));
        const reached = rowsTimes(ofX0, matrices(start, s, classes));
        const joint = tf.mul(reached, rowsTimes(seen, transposed(matrices(s, t, states))));
        return tf.div(joint, tf.maximum(tf.sum(joint, -1, true), LEAST_PROBABILITY));
      }),
    );
  };

  return {
    schedule,
    classes,
    states,
    noise: (rng, shape) => rng.uniform(shape),
    sample(x0, t, noise) {
      checkPerExample('t', t, 'x0', x0);
      checkShape('noise', noise, 'x0', x0);
      return tf.tidy(() => drawnBy(noise, marginal(x0, t)));
    },
    marginal(x0, t) {
      checkPerExample('t', t, 'x0', x0);
      return categorical(marginal(x0, t));
    },
    posterior(x0, xt, t, s) {
      checkPerExample('t', t, 'x0', x0);
      checkPerExample('s', s, 'x0', x0);
      checkShape('xt', xt, 'x0', x0);
      return tf.tidy(() => posteriorOver(oneHot(x0, classes), xt, t, s) as Categorical & tf.NamedTensorMap);
    },
    possible(xt, t) {
      checkPerExample('t', t, 'xt', xt);
      return tf.tidy(() =>
        rowsTimes(
          oneHot(xt, states),
          transposed(matrices(start, t, classes, (q) => Number(q > LEAST_PROBABILITY))),
        ),
      );
    },
    posteriorOver,
    prior: (shape) =>
      categorical(
        tf.tidy(() =>
          tf.reshape(tf.tile(tf.tensor2d(Float32Array.from(prior), [1, states]), [sizeOf(shape), 1]), [
            ...shape,
            states,
          ]),
        ),
      ),
  };
}

/**
 * The binomial diffusion of Sohl-Dickstein et al. 2015 on data of 0 and 1: q(x_t | x_{t−1}) = B(x_{t−1} (1 − β_t) + ½ β_t),
 * a bit that is kept or tossed anew. It is uniform noise on two classes.
 * @throws as `categoricalDiffusion` does.
 */
export function bernoulliDiffusion(schedule: NoiseSchedule): CategoricalDiffusion {
  return categoricalDiffusion(schedule, uniformTransition(2));
}

/** Rows `[batch, …, a]` times the one matrix `[1, a, b]`, or each example's times its own `[batch, a, b]`. */
function rowsTimes(rows: tf.Tensor, matrices: tf.Tensor3D): tf.Tensor {
  const [count, a, b] = matrices.shape;
  const flat: tf.Tensor3D = tf.reshape(rows, [count, -1, a]);
  return tf.reshape(tf.matMul(flat, matrices), [...rows.shape.slice(0, -1), b]);
}

function transposed(matrices: tf.Tensor3D): tf.Tensor3D {
  return tf.transpose(matrices, [0, 2, 1]);
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}
