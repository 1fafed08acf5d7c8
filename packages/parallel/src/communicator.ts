import type { Params } from '@diffusion-ts/tensor';
import type * as tf from '@tensorflow/tfjs-core';

/**
 * Several ranks that compute together, each with rows of its own. What is asked of one must be asked of all of them, in the
 * same order; each question is answered once all have come, and with the same bits everywhere. Tensors are float32, what is
 * returned is new and the caller's. It is what `trainStep` takes for its `communicator`.
 */
export interface Communicator {
  /** Which rank this is: 0 … size − 1. */
  readonly rank: number;
  /** How many ranks there are. */
  readonly size: number;
  /**
   * Σ_r of the tensors of each name, in a fixed order: bit-identical from run to run for a number of ranks.
   * @throws TypeError if a tensor is none or not float32; RangeError if names, shapes or the questions of the ranks differ;
   * Error if a rank has failed or left, or this one is closed. So do the other questions.
   */
  sum(tensors: Params): Promise<Params>;
  /** The tensors of rank 0, for which the others give tensors of the same names and shapes. */
  broadcast(tensors: Params): Promise<Params>;
  /** The rows `[rows, …]` of all ranks, those of rank 0 first; each may have a number of its own, or none. */
  gather(rows: tf.Tensor): Promise<tf.Tensor>;
  /** Answered once all ranks have come. */
  barrier(): Promise<void>;
  /** Leaves, once what was asked is answered: a rank that asks for this one afterwards is told so. */
  close(): Promise<void>;
}
