import type { Params } from '@diffusion-ts/tensor';

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
}
