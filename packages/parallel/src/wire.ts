/** How numbers get from rank to rank: what differs between threads, processes and hosts, and nothing else. */
export interface Wire {
  /** Which rank this is. */
  readonly rank: number;
  /** How many there are. */
  readonly size: number;
  /** What each rank has said. */
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

/** What a rank says before it asks: which question it is, of tensors laid out how, and how many numbers. */
export type Words = readonly [question: number, layout: number, length: number];

/** What may be asked, told by its place here. */
export const QUESTIONS = ['sum', 'broadcast', 'gather', 'barrier', 'close'] as const;
/** One of them. */
export type Question = (typeof QUESTIONS)[number];
/** What a rank says that leaves, where others could not know otherwise. */
export const CLOSE: number = QUESTIONS.indexOf('close');
