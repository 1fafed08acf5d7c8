/** How numbers get from rank to rank: what differs between threads, processes and hosts, and nothing else. */
export interface Wire {
  /** Which rank this is. */
  readonly rank: number;
  /** How many there are. */
  readonly size: number;
  /** What each rank has said: three whole numbers of 32 bits. */
  tell(words: Words): readonly Words[] | Promise<readonly Words[]>;
  /** Puts the sum over all ranks in the place of each rank's numbers, as many everywhere. */
  sum(buffer: Float32Array): void | Promise<void>;
  /** Puts the numbers of rank 0 in the place of each rank's, as many everywhere. */
  broadcast(buffer: Float32Array): void | Promise<void>;
  /** The numbers of all ranks, one rank after the other, of which rank r has `lengths[r]`. */
  gather(buffer: Float32Array, lengths: readonly number[]): Float32Array | Promise<Float32Array>;
  /** Nothing is asked any more. */
  close(): void | Promise<void>;
}

/** Three whole numbers of 32 bits. */
export type Words = readonly [number, number, number];
