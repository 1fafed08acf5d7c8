import { addUp } from './add-up.js';
import { hasLeft, RankError, type StoppableWire, type Words } from './wire.js';

// Where the words are that all ranks watch: how many have come to a meeting; how many meetings there were; what is counted
// up whenever there is something to wake for; whether all is stopped, and whether it is about to be; the length of why; how
// many ranks there are.
const [COME, MEETINGS, NEWS, STOPPED, STOPPING, WHY_LENGTH, SIZE, WATCHED] = [
  0, 1, 2, 3, 4, 5, 6, 7,
] as const;
const WORDS = 3;
const WHY_BYTES = 4096;
/** Of the numbers that all show at a time, those that each rank adds up: 256 kB, which a core's cache holds. */
const PART = 1 << 16;
/** How often a rank looks whether the others have come before it sleeps: to be woken takes longer than to add up a piece. */
const LOOKS = 5000;

interface Parts {
  readonly size: number;
  readonly watched: Int32Array;
  readonly why: Uint8Array;
  /** Of each rank, twice: see `meet`. */
  readonly words: readonly (readonly [Int32Array, Int32Array])[];
  readonly pieces: readonly (readonly [Float32Array, Float32Array])[];
}

/** What `size` ranks share, before the first of them starts. */
export function sharedMemory(size: number): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(4 * WATCHED + WHY_BYTES + 8 * size * (WORDS + size * PART));
  new Int32Array(memory)[SIZE] = size;
  return memory;
}

function partsOf(memory: SharedArrayBuffer): Parts {
  const size = new Int32Array(memory)[SIZE]!;
  let start = 0;
  const next = <T>(
    View: new (memory: SharedArrayBuffer, start: number, length: number) => T,
    count: number,
    bytes = 4,
  ): T => {
    const view = new View(memory, start, count);
    start += bytes * count;
    return view;
  };
  const watched = next(Int32Array, WATCHED);
  const why = next(Uint8Array, WHY_BYTES, 1);
  const words = Array.from(
    { length: size },
    () => [next(Int32Array, WORDS), next(Int32Array, WORDS)] as const,
  );
  const pieces = words.map(() => [next(Float32Array, size * PART), next(Float32Array, size * PART)] as const);
  return { size, watched, why, words, pieces };
}

function tellNews(watched: Int32Array): void {
  Atomics.add(watched, NEWS, 1);
  Atomics.notify(watched, NEWS);
}

/** How a rank waits until another one has changed a word from what it was. */
export type Wait = (words: Int32Array, index: number, was: number) => void | Promise<void>;

/** It blocks its thread: the soonest to go on. A page and Node's first thread must not. */
export const blocking: Wait = (words, index, was) => void Atomics.wait(words, index, was);

/** It leaves its thread to others. */
export const yielding: Wait = async (words, index, was) => {
  await Atomics.waitAsync(words, index, was).value;
};

/** One rank of those that share a memory. */
export function sharedWire(memory: SharedArrayBuffer, rank: number, wait: Wait): StoppableWire {
  const { size, watched, why, words, pieces } = partsOf(memory);
  const most = size * PART;
  let side: 0 | 1 = 0;

  function stop(sentence: string): void {
    if (Atomics.compareExchange(watched, STOPPING, 0, 1) !== 0) return;
    // TextEncoder writes into no shared memory where engines are strict.
    const bytes = new TextEncoder().encode(sentence).subarray(0, WHY_BYTES);
    why.set(bytes);
    watched[WHY_LENGTH] = bytes.length;
    Atomics.store(watched, STOPPED, 1);
    tellNews(watched);
  }

  function stopped(): string | undefined {
    if (Atomics.load(watched, STOPPED) === 0) return undefined;
    return new TextDecoder().decode(why.slice(0, watched[WHY_LENGTH]));
  }

  function checkGoesOn(): void {
    const sentence = stopped();
    if (sentence !== undefined) throw new RankError(sentence);
  }

  /**
   * Waits for all ranks. Each shows something before and looks at the others' afterwards, on one side of its memory; at the
   * next meeting on the other side. So nobody overwrites what a slower rank is looking at, with one meeting for each.
   */
  async function meet(): Promise<0 | 1> {
    checkGoesOn();
    const meetings = Atomics.load(watched, MEETINGS);
    if (Atomics.add(watched, COME, 1) === size - 1) {
      Atomics.store(watched, COME, 0);
      Atomics.add(watched, MEETINGS, 1);
      tellNews(watched);
    }
    for (let looks = 0; looks < LOOKS && Atomics.load(watched, MEETINGS) === meetings; looks++);
    for (;;) {
      // Before what it tells is looked at: none is missed in between.
      const news = Atomics.load(watched, NEWS);
      if (Atomics.load(watched, MEETINGS) !== meetings) break;
      checkGoesOn();
      await wait(watched, NEWS, news);
    }
    const shown = side;
    side = side === 0 ? 1 : 0;
    return shown;
  }

  /** Shows numbers to all, piece by piece; `look` sees those of every rank from `start` on. */
  async function show(
    buffer: Float32Array,
    longest: number,
    look: (shown: readonly Float32Array[], start: number, end: number) => void,
  ): Promise<void> {
    for (let start = 0; start < longest; start += most) {
      pieces[rank]![side].set(buffer.subarray(start, start + most));
      const shown = await meet();
      look(
        pieces.map((sides) => sides[shown]),
        start,
        Math.min(start + most, longest),
      );
    }
  }

  return {
    rank,
    size,
    stop,
    stopped,
    async tell(own) {
      words[rank]![side].set(own);
      const shown = await meet();
      return words.map((sides) => Array.from(sides[shown]) as unknown as Words);
    },
    async sum(buffer) {
      for (let start = 0; start < buffer.length; start += most) {
        const piece = buffer.subarray(start, start + most);
        pieces[rank]![side].set(piece);
        const shown = await meet();
        // Each rank adds up its part of the piece, and shows that.
        const part = (numbers: Float32Array, r: number): Float32Array =>
          numbers.subarray((r * piece.length) / size, ((r + 1) * piece.length) / size);
        addUp(
          pieces.map((sides) => part(sides[shown], rank)),
          part(pieces[rank]![side], rank),
        );
        const summed = await meet();
        for (const [r, sides] of pieces.entries()) part(piece, r).set(part(sides[summed], r));
      }
      return buffer;
    },
    async broadcast(buffer) {
      await show(buffer, buffer.length, (shown, start, end) => {
        if (rank !== 0) buffer.set(shown[0]!.subarray(0, end - start), start);
      });
      return buffer;
    },
    async gather(buffer, lengths) {
      const all = new Float32Array(lengths.reduce((sum, length) => sum + length));
      await show(buffer, Math.max(...lengths), (shown, start, end) => {
        let first = 0;
        shown.forEach((numbers, other) => {
          const length = lengths[other]!;
          if (length > start) all.set(numbers.subarray(0, Math.min(length, end) - start), first + start);
          first += length;
        });
      });
      return all;
    },
    close() {
      stop(hasLeft(rank));
    },
  };
}
