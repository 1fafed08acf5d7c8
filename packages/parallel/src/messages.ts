import { addUp } from './add-up.js';
import { hasLeft, RankError, type StoppableWire } from './wire.js';

/** What goes from rank to rank: what one says or is answered, or why all ends. */
type Message = { readonly said: unknown } | { readonly stopped: string };

/**
 * One rank of those that share no memory: all send what they have to rank 0, which puts it together and answers each. So a
 * question is two messages and two answers for each rank but rank 0. Numbers are handed over, not copied.
 *
 * @param ports of rank 0, those to all others in their order; of each other, that to rank 0.
 */
export function messageWire(rank: number, size: number, ports: readonly MessagePort[]): StoppableWire {
  const inboxes = ports.map((): unknown[] => []);
  let why: string | undefined;
  let wake = (): void => {};

  ports.forEach((port, i) => {
    port.onmessage = ({ data }: MessageEvent<Message>) => {
      if ('stopped' in data) return stop(data.stopped);
      inboxes[i]!.push(data.said);
      wake();
    };
  });

  function stop(sentence: string): void {
    if (why !== undefined) return;
    why = sentence;
    wake();
    // From one to rank 0, and from there to all.
    for (const port of ports) port.postMessage({ stopped: sentence } satisfies Message);
  }

  function say(port: MessagePort, said: unknown): void {
    port.postMessage({ said } satisfies Message, said instanceof Float32Array ? [said.buffer] : []);
  }

  /** What has come through each port, once something has through all. */
  async function heard(): Promise<unknown[]> {
    while (inboxes.some(({ length }) => length === 0)) {
      checkGoesOn();
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    return inboxes.map((inbox) => inbox.shift());
  }

  function checkGoesOn(): void {
    if (why !== undefined) throw new RankError(why);
  }

  /** Each rank says something; rank 0 makes of it an answer for each. */
  async function ask<Said, Answer>(
    own: Said,
    answersTo: (said: readonly Said[]) => readonly Answer[],
  ): Promise<Answer> {
    checkGoesOn();
    if (rank > 0) {
      say(ports[0]!, own);
      return (await heard())[0] as Answer;
    }
    const [first, ...others] = answersTo([own, ...((await heard()) as Said[])]);
    ports.forEach((port, i) => void say(port, others[i]));
    return first!;
  }

  return {
    rank,
    size,
    stop,
    stopped: () => why,
    tell: (words) => ask(words, (told) => told.map(() => told)),
    sum: (buffer) =>
      ask(buffer, (buffers) => {
        addUp(buffers, buffer);
        return buffers.map((other) => {
          // Into its own, which goes back.
          if (other !== buffer) other.set(buffer);
          return other;
        });
      }),
    broadcast: (buffer) =>
      ask(rank === 0 ? buffer : undefined, (said) =>
        said.map((_, to) => (to === 0 ? buffer : buffer.slice())),
      ),
    gather: (buffer, lengths) =>
      ask(buffer, (buffers) => {
        const all = new Float32Array(lengths.reduce((sum, length) => sum + length));
        let end = 0;
        for (const numbers of buffers) {
          all.set(numbers, end);
          end += numbers.length;
        }
        return buffers.map((_, to) => (to === 0 ? all : all.slice()));
      }),
    close: () => stop(hasLeft(rank)),
  };
}
