import { disposeParams, type Params, type Shapes } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Communicator } from './communicator.js';

/**
 * The values of all ranks, in their order: whatever JSON can hold, and numbers that are not finite.
 * @throws what the communicator throws.
 * @example
 * const losses = await gatherValues(communicator, { rank, loss }); // [{ rank: 0, loss: 0.1 }, { rank: 1, loss: 0.2 }]
 */
export async function gatherValues<T>(communicator: Communicator, value: T): Promise<T[]> {
  const bytes = new TextEncoder().encode(written(value));
  const lengths = await numbersOfAll(communicator, [bytes.length]);
  const all = Uint8Array.from(await numbersOfAll(communicator, bytes));
  let end = 0;
  return lengths.map((length) => {
    end += length;
    return read(new TextDecoder().decode(all.subarray(end - length, end))) as T;
  });
}

/**
 * The value that rank 0 has, on every rank: whatever JSON can hold, and numbers that are not finite. Those of the others do
 * not count.
 * @throws what the communicator throws.
 * @example
 * const config = await broadcastValue(communicator, communicator.rank === 0 ? readConfig() : undefined);
 */
export async function broadcastValue<T>(communicator: Communicator, value: T): Promise<T> {
  const [first] = await gatherValues(communicator, communicator.rank === 0 ? value : null);
  return first as T;
}

/**
 * The tensors that rank 0 has, new ones on every rank, where the others do not know their names and shapes: they give none.
 * @throws what the communicator throws.
 * @example
 * const params = await broadcastParams(communicator, communicator.rank === 0 ? model.init(rng(0)) : undefined);
 */
export async function broadcastParams(communicator: Communicator, own: Params | undefined): Promise<Params> {
  const { rank, broadcast } = communicator;
  if (rank === 0 && own === undefined)
    throw new TypeError('rank 0 must give the tensors that all others get');
  const shapes = await broadcastValue<Shapes>(
    communicator,
    Object.fromEntries(Object.entries(own ?? {}).map(([name, { shape }]) => [name, shape])),
  );
  const given =
    rank === 0
      ? own!
      : Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, tf.zeros([...shape])]));
  return broadcast(given).finally(() => {
    if (rank > 0) disposeParams(given);
  });
}

async function numbersOfAll({ gather }: Communicator, numbers: ArrayLike<number>): Promise<number[]> {
  const own = tf.tensor1d(Float32Array.from(numbers));
  const all = await gather(own).finally(() => own.dispose());
  const values = await all.data<'float32'>();
  all.dispose();
  return [...values];
}

// JSON makes null of numbers that are not finite, and 0 of −0: these are strings, and strings begin with a letter that says so.
const written = (value: unknown): string =>
  JSON.stringify(value ?? null, (_, part: unknown) => {
    if (typeof part === 'string') return `s${part}`;
    if (typeof part !== 'number' || (Number.isFinite(part) && !Object.is(part, -0))) return part;
    return `n${Object.is(part, -0) ? '-0' : part}`;
  });

const read = (text: string): unknown =>
  JSON.parse(text, (_, part: unknown) => {
    if (typeof part !== 'string') return part;
    return part.startsWith('s') ? part.slice(1) : Number(part.slice(1));
  });
