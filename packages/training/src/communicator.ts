import type { Params } from '@diffusion-ts/tensor';
import type { Tensor } from '@tensorflow/tfjs-core';

/**
 * Several workers that train one model together, each on its own rows of a batch: worker `rank` of `size` has the rows
 * from rank · n on, n being the rows that it is given. Their states begin alike and, since all take the same step, stay so.
 */
export interface Communicator {
  /** Which worker this is: 0 … size − 1. */
  readonly rank: number;
  /** How many workers there are. */
  readonly size: number;
  /** The sum over all workers of the tensors of one name, in the same order on each; new tensors, which the caller disposes. */
  sum(tensors: Params): Promise<Params>;
  /** The rows of all workers, those of rank 0 first; a new tensor, which the caller disposes. Asked for where there is a coupling. */
  gather(rows: Tensor): Promise<Tensor>;
}
