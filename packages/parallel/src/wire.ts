/** Why nothing is answered any more: another rank has failed, has left, or is no longer heard of. What this one has is whole. */
export class RankError extends Error {
  override readonly name = 'RankError';
}

/** How numbers get from rank to rank: what differs between threads, processes and hosts, and nothing else. */
export interface Wire {
  /** Which rank this is. */
  readonly rank: number;
  /** How many there are. */
  readonly size: number;
  /** What each rank has said. */
  tell(words: Words): readonly Words[] | Promise<readonly Words[]>;
  /** The sum of the numbers of all ranks, as many everywhere; it takes their place, or they are handed over for it. */
  sum(buffer: Float32Array): Float32Array | Promise<Float32Array>;
  /** The numbers of rank 0, as many everywhere; so are they. */
  broadcast(buffer: Float32Array): Float32Array | Promise<Float32Array>;
  /** The numbers of all ranks, one rank after the other, of which rank r has `lengths[r]`. */
  gather(buffer: Float32Array, lengths: readonly number[]): Float32Array | Promise<Float32Array>;
  /** Nothing is asked any more. */
  close(): void | Promise<void>;
}

/** A wire that can be cut: who waits for a rank that fails, or asks it, is told so. */
export interface StoppableWire extends Wire {
  /** Ends all that is asked from now on, on every rank, with a sentence; the first one counts. */
  stop(sentence: string): void;
  /** The sentence with which all has ended, if it has. */
  stopped(): string | undefined;
}

/** What all others are told of a rank that fails. */
export const hasFailed = (rank: number, message: string): string => `rank ${rank} failed: ${message}`;

/** What those are told that ask a rank which has left. */
export const hasLeft = (rank: number): string =>
  `rank ${rank} has left: it closed its communicator, or its function has returned`;

/** What a rank says before it asks: which question it is, of tensors laid out how, and how many numbers. */
export type Words = readonly [question: number, layout: number, length: number];

/** What may be asked, told by its place here. */
export const QUESTIONS = ['sum', 'broadcast', 'gather', 'barrier'] as const;
/** One of them. */
export type Question = (typeof QUESTIONS)[number];
