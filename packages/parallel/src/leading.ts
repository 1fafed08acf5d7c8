// What the rank that starts the others does, and what they do, however they are linked.

import type { Communicator } from './communicator.js';
import { communicatorOver } from './communicator-over.js';
import { hasFailed, RankError, type StoppableWire, type Wire } from './wire.js';

/** Why a rank failed, as it says itself. */
export interface Failure {
  readonly message: string;
  readonly stack: string;
}

/** What a rank says in the end: why it failed, if it did. */
export interface Outcome {
  readonly failure?: Failure;
}

/** A rank that runs elsewhere. */
export interface OtherRank {
  readonly rank: number;
  /** What it said in the end, or was said for it; nothing if it was ended before. */
  readonly ended: Promise<Outcome>;
  /** Ends it, whatever it does. */
  end(): unknown;
}

/** What a thrown value says. */
export function failureOf(thrown: unknown): Failure {
  const { message, stack = '' } = thrown instanceof Error ? thrown : new Error(String(thrown));
  return { message, stack };
}

/** Runs `lead` as rank 0, until the others have ended too; where it throws, they are ended at once. */
export async function leading<Result>(
  wire: StoppableWire,
  others: readonly OtherRank[],
  lead: (communicator: Communicator) => Promise<Result>,
): Promise<Result> {
  const communicator = communicatorOver(wire);
  /** Why others failed, as all are told it; the cause is the error itself, with the stack that it has where it was thrown. */
  const failures = async (): Promise<Error[]> => {
    const outcomes = await Promise.all(others.map(({ ended }) => ended));
    return outcomes.flatMap(({ failure }, i) =>
      failure === undefined
        ? []
        : [
            new RankError(hasFailed(others[i]!.rank, failure.message), {
              cause: Object.assign(new Error(failure.message), { stack: failure.stack }),
            }),
          ],
    );
  };
  let result: Result;
  try {
    result = await lead(communicator);
    await communicator.close();
  } catch (error) {
    wire.stop(hasFailed(0, failureOf(error).message));
    await Promise.all(others.map(({ end }) => end()));
    if (error instanceof Error)
      error.cause ??= (await failures()).find(({ message }) => message === error.message)?.cause;
    throw error;
  }
  const all = await failures();
  await Promise.all(others.map(({ end }) => end()));
  // Where one failed others fail for it, with its message.
  const first = all.find(({ message }) => message === wire.stopped()) ?? all[0];
  if (first !== undefined) throw first;
  return result;
}

/** Runs a rank that is not the lead; gives how it ended, which the lead tells the others. */
export async function following(wire: Wire, run: (communicator: Communicator) => unknown): Promise<Outcome> {
  const communicator = communicatorOver(wire);
  try {
    await run(communicator);
    await communicator.close();
    return {};
  } catch (error) {
    return { failure: failureOf(error) };
  }
}
