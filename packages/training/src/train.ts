import type { Loss } from '@diffusion-ts/losses';
import { adamW } from '@diffusion-ts/ops';
import { disposeParams, mapParams, nextTask, type Rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { batchGradients, type ReverseOf } from './batch-gradients.js';
import type { EmaDecay } from './ema-decay.js';
import { checkLabelDropout, dropLabels, type LabelDropout } from './label-dropout.js';
import type { LearningRate } from './learning-rate.js';
import { lossByQuartile, type Quartiles } from './loss-by-quartile.js';
import { nonFiniteError } from './non-finite-error.js';
import type { TimestepSampler } from './timestep-sampler.js';
import type { TrainState, TrainTrees } from './train-state.js';
import { uniformTimesteps } from './uniform-timesteps.js';

/** Examples to train on: `x0` `[batch, …]`, and their classes, int32 `[batch]`, if they have any. */
export interface TrainBatch {
  readonly x0: tf.Tensor;
  readonly labels?: tf.Tensor1D;
}

export interface TrainOptions {
  /** Where the run stands; advanced in place. */
  readonly state: TrainState;
  /** The process that the parameters describe; its second argument is for networks that draw (dropout). */
  readonly reverse: ReverseOf;
  readonly loss: Loss;
  /**
   * Batch k and those after it, asked for with k = `state.step`: a resumed run goes on where it was. A batch remains the
   * iterator's, which may free it once it is asked for the next.
   */
  readonly batches: (start: number) => AsyncIterable<TrainBatch>;
  /** Step s draws from `rng.fork(s)` alone. */
  readonly rng: Rng;
  /** Training ends when `state.step` is this. */
  readonly steps: number;
  readonly learningRate: LearningRate;
  /** AdamW's (β₁, β₂); default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Default 1e-8. */
  readonly epsilon?: number;
  /** Decoupled: the weights shrink by learningRate · weightDecay in each step; default 0. */
  readonly weightDecay?: number;
  /** The gradients are scaled down to this global norm if theirs is larger; default no. */
  readonly maxGradNorm?: number;
  /** The decay of the moving average of the weights; without it there is none. */
  readonly ema?: EmaDecay;
  /** Default `uniformTimesteps()`. */
  readonly timesteps?: TimestepSampler;
  /** Hides classes, for guidance; needs batches with labels. */
  readonly labelDropout?: LabelDropout;
  /** The most examples that are computed on at a time: gradient accumulation over a batch. Default the whole batch. */
  readonly microBatch?: number;
  /** Ends training between two steps, as if `steps` were reached. */
  readonly signal?: AbortSignal;
}

/** What is known of a step once it is done. */
export interface StepRecord {
  /** Steps done, this one included. */
  readonly step: number;
  /** The mean over the batch, weighted where timesteps are not uniform: an estimate of the mean over uniform t. */
  readonly loss: number;
  /** The same over the examples with t in each quarter of the schedule, undefined where there was none. */
  readonly lossByQuartile: Quartiles;
  /** The norm of all gradients together, before clipping. */
  readonly gradNorm: number;
  readonly learningRate: number;
  /** Examples in the batch. */
  readonly images: number;
  /** The state after this step: the one that was passed in. Its tensors are valid until the generator is resumed. */
  readonly state: TrainState;
}

/**
 * Trains until `steps` are done, the signal is aborted or the batches end, yielding a record of every step, and returns
 * the state. The state is advanced in place and stays the caller's, whole and usable, however the loop ends; the tensors
 * that a step replaces are disposed when it is done. Each step reads its loss and gradient norm back once, and gives way
 * to the event loop once.
 *
 * Step s draws from `rng.fork(s)` and uses batch s, so a run that is saved anywhere and resumed ends with the same bytes
 * as one that was never interrupted, on the same backend.
 *
 * @throws TypeError or RangeError if an option, a batch or a rate is not what it should be; NonFiniteError if the loss or
 * a gradient is not finite, in which case the state is that of the step before. What `batches` throws is passed on.
 */
export async function* train(options: TrainOptions): AsyncGenerator<StepRecord, TrainState> {
  const { state, batches, steps, signal, ema } = options;
  checkOptions(options);
  const finished = (): boolean => state.step >= steps || signal?.aborted === true;
  if (finished()) return state;
  if (ema !== undefined) state.ema ??= mapParams(state.params, (tensor) => tf.clone(tensor));
  for await (const batch of batches(state.step)) {
    await nextTask();
    if (finished()) break;
    yield await trainStep(options, batch);
    if (finished()) break;
  }
  return state;
}

async function trainStep(options: TrainOptions, batch: TrainBatch): Promise<StepRecord> {
  const { state, ema, timesteps = uniformTimesteps() } = options;
  checkBatch(batch, options.labelDropout);
  const images = batch.x0.shape[0]!;
  const learningRate = valueAt('learningRate', options.learningRate(state.step), Infinity);
  const emaDecay = ema && valueAt('ema', ema(state.step, images), 1);
  const rng = options.rng.fork(state.step);
  const { schedule } = options.reverse(state.params, rng.fork('network')).forward;
  const { t, weights } = timesteps.draw(rng.fork('timesteps'), images, schedule.steps, state.lossHistory);

  const { next, grads, report } = tf.tidy(() => {
    const { perExample, grads } = batchGradients({
      params: state.params,
      reverse: options.reverse,
      loss: options.loss,
      examples: {
        x0: batch.x0,
        t: tf.tensor1d(t, 'int32'),
        noise: rng.fork('noise').normal(batch.x0.shape),
        weights: tf.tensor1d(weights),
        ...labelsOf(batch, options.labelDropout, rng.fork('labels')),
      },
      microBatch: options.microBatch ?? images,
      rng: rng.fork('network'),
    });
    const { gradNorm, ...next } = adamW({
      params: state.params,
      grads,
      m: state.m,
      v: state.v,
      step: state.step + 1,
      learningRate,
      betas: options.betas ?? [0.9, 0.999],
      epsilon: options.epsilon ?? 1e-8,
      weightDecay: options.weightDecay ?? 0,
      ...(options.maxGradNorm !== undefined && { maxGradNorm: options.maxGradNorm }),
      ...(state.ema && emaDecay !== undefined && { ema: { params: state.ema, decay: emaDecay } }),
    });
    // Everything that is read back, in one piece.
    return { next, grads, report: tf.concat1d([tf.reshape(gradNorm, [1]), perExample]) };
  });

  try {
    const [gradNorm, ...losses] = (await report.data()) as Float32Array;
    const loss = losses.reduce((sum, value, i) => sum + value * weights[i]!, 0) / images;
    if (!Number.isFinite(loss) || !Number.isFinite(gradNorm)) {
      throw await nonFiniteError(state.step, { x0: batch.x0, params: state.params, loss, grads });
    }
    advance(state, next);
    timesteps.observe?.(state.lossHistory, schedule.steps, t, losses);
    return {
      step: state.step,
      loss,
      lossByQuartile: lossByQuartile(schedule.steps, t, losses, weights),
      gradNorm: gradNorm!,
      learningRate,
      images,
      state,
    };
  } finally {
    tf.dispose([report, grads]);
    if (state.params !== next.params) tf.dispose(next);
  }
}

/** Puts the new trees in the place of the old ones, which are disposed. */
function advance(state: TrainState, next: TrainTrees): void {
  const { params, ema, m, v } = state;
  Object.assign(state, next);
  state.step += 1;
  for (const tree of [params, m, v, ...(ema ? [ema] : [])]) disposeParams(tree);
}

function labelsOf(
  { labels }: TrainBatch,
  dropout: LabelDropout | undefined,
  rng: Rng,
): { labels?: tf.Tensor1D } {
  if (labels === undefined) return {};
  return { labels: dropout === undefined ? labels : dropLabels(labels, dropout, rng) };
}

function checkOptions({ state, steps, ema, microBatch, maxGradNorm, labelDropout }: TrainOptions): void {
  if (!Number.isInteger(steps) || steps < 0)
    throw new RangeError(`steps must be a whole number from 0 up, not ${steps}`);
  if (state.ema !== undefined && ema === undefined) {
    throw new TypeError('ema is missing, but the state has a moving average, which would go stale');
  }
  if (microBatch !== undefined && (!Number.isInteger(microBatch) || microBatch < 1)) {
    throw new RangeError(`microBatch must be a whole number from 1 up, not ${microBatch}`);
  }
  if (maxGradNorm !== undefined && !(maxGradNorm > 0)) {
    throw new RangeError(`maxGradNorm must be a number above 0, not ${maxGradNorm}`);
  }
  if (labelDropout !== undefined) checkLabelDropout(labelDropout);
}

function checkBatch({ x0, labels }: TrainBatch, labelDropout: LabelDropout | undefined): void {
  const size = x0.shape[0] ?? 0;
  if (size === 0) throw new RangeError(`x0 must have at least one example, not shape [${x0.shape}]`);
  if (labels !== undefined && !tf.util.arraysEqual(labels.shape, [size])) {
    throw new RangeError(`labels must have one class per example, shape [${size}], not [${labels.shape}]`);
  }
  if (labelDropout !== undefined && labels === undefined) {
    throw new TypeError('labels are missing from a batch, and labelDropout has none to drop');
  }
}

function valueAt(name: string, value: number, max: number): number {
  if (value >= 0 && value <= max && value < Infinity) return value;
  throw new RangeError(
    `${name} must give a finite number from 0 ${max === Infinity ? 'up' : `to ${max}`}, not ${value}`,
  );
}
