// What a rank asks in each test of the suite: plain JavaScript, since Node loads it in threads and processes.

import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { broadcastParams, broadcastValue, gatherValues } from '../dist/index.js';

/** @typedef {import('../src/index.js').Communicator} Communicator */

/** The numbers of a tensor, which is disposed. */
const taken = (/** @type {tf.Tensor} */ tensor) => {
  const numbers = Array.from(tensor.dataSync());
  tensor.dispose();
  return numbers;
};

/** Numbers of one rank that do not add up exactly. */
export const numberOf = (/** @type {number} */ rank, /** @type {number} */ i) =>
  Math.fround(Math.sin(1 + rank * 7.7 + i * 1.3) * 10 ** ((rank + i) % 5));

const numbers = (/** @type {number} */ rank, /** @type {number} */ count) =>
  tf.tensor1d(Float32Array.from({ length: count }, (_, i) => numberOf(rank, i)));

/** How many numbers there are, and FNV-1a of the bits of them all. */
export function digest(/** @type {ArrayLike<number>} */ values) {
  const bits = new Uint32Array(Float32Array.from(values).buffer);
  let hash = 0x811c9dc5;
  for (const word of bits) hash = Math.imul(hash ^ word, 0x01000193);
  return [values.length, hash];
}

/** How many of many numbers are shown. */
export const SOME = 100;

const shown = (/** @type {number[]} */ values) => ({ digest: digest(values), some: values.slice(0, SOME) });

// Many are more than what three ranks that share memory show each other at a time, 196,608 numbers.
/** @type {Record<string, (communicator: Communicator) => Promise<unknown>>} */
const QUESTIONS = {
  async sum({ rank, sum }) {
    const before = tf.memory().numTensors;
    const tensors = {
      one: tf.tensor2d([[1 + rank, 10 * rank]]),
      two: tf.scalar(0.5),
      none: tf.zeros([0]),
    };
    const sums = await sum(tensors);
    const own = tensors.one.arraySync();
    tf.dispose(tensors);
    const shapes = Object.entries(sums).map(([name, { shape, dtype }]) => [name, shape, dtype]);
    const values = Object.values(sums).map(taken);
    return { shapes, values, own, left: tf.memory().numTensors - before };
  },
  async 'sum of many'({ rank, sum }) {
    return shown(taken((await sum({ x: numbers(rank, 200_001) })).x));
  },
  async 'sum of one'({ rank, sum }) {
    return shown(taken((await sum({ x: numbers(rank, 1) })).x));
  },
  async 'sum of infinities'({ rank, sum }) {
    return taken((await sum({ x: tf.tensor1d([rank === 0 ? NaN : 1, rank === 0 ? Infinity : 1]) })).x);
  },
  async broadcast({ rank, broadcast }) {
    const before = tf.memory().numTensors;
    const params = { a: tf.fill([2, 2], 3 + rank), b: tf.tensor1d([-rank, 0.1 + rank]) };
    const all = await broadcast(params);
    tf.dispose(params);
    const values = [all.a.shape, taken(all.a), taken(all.b)];
    return { values, left: tf.memory().numTensors - before };
  },
  async 'broadcast of many'({ rank, broadcast }) {
    return digest(taken((await broadcast({ x: numbers(rank, 200_001) })).x));
  },
  // Rank r has r + 1 rows, and rank 1 none.
  async gather({ rank, gather }) {
    const before = tf.memory().numTensors;
    const rows = tf.fill([rank === 1 ? 0 : rank + 1, 2], rank + 0.5);
    const all = await gather(rows);
    rows.dispose();
    return { shape: all.shape, values: taken(all), left: tf.memory().numTensors - before };
  },
  async 'gather of many'({ rank, gather }) {
    return digest(taken(await gather(numbers(rank, 70_000 * (rank + 1) + rank))));
  },
  // Whatever the order in which tensors are read back, the questions are answered in the order in which they were asked.
  async 'many at once'({ rank, sum, gather, broadcast, barrier }) {
    const answers = await Promise.all([
      sum({ x: numbers(rank, 200_000) }).then(({ x }) => shown(taken(x))),
      barrier(),
      gather(tf.tensor1d([rank])).then(taken),
      broadcast({ x: tf.tensor1d([rank + 9]) }).then(({ x }) => taken(x)),
      sum({ x: tf.tensor1d([1]) }).then(({ x }) => taken(x)),
    ]);
    return answers.filter((answer) => answer !== undefined);
  },
  async 'params of which only the first knows'(communicator) {
    const before = tf.memory().numTensors;
    const own = communicator.rank === 0 ? { 'a.weight': tf.tensor2d([[1, 2]]), b: tf.scalar(-0) } : undefined;
    const all = await broadcastParams(communicator, own);
    if (own !== undefined) tf.dispose(own);
    const values = Object.entries(all).map(([name, tensor]) => [name, tensor.shape, taken(tensor)]);
    return { values, left: tf.memory().numTensors - before };
  },
  async values(communicator) {
    const { rank } = communicator;
    const before = tf.memory().numTensors;
    const all = await gatherValues(communicator, {
      rank,
      name: 'é'.repeat(rank),
      numbers: [-0, NaN, -Infinity, 0.1],
    });
    const first = await broadcastValue(communicator, rank === 0 ? ['n1', null, 1 / 3] : undefined);
    return { all, first, left: tf.memory().numTensors - before };
  },
  async 'sum of integers'({ sum }) {
    await sum({ x: tf.tensor1d([1, 2], 'int32') });
  },
  async 'broadcast of a number'({ broadcast }) {
    await broadcast({ x: /** @type {never} */ (3) });
  },
  async 'gather of a scalar'({ gather }) {
    await gather(tf.scalar(1));
  },
  async 'gather of empty rows'({ gather }) {
    await gather(tf.zeros([2, 0]));
  },
  async 'different questions'({ rank, sum, barrier }) {
    await (rank === 0 ? sum({ x: tf.scalar(1) }) : barrier());
  },
  async 'different shapes'({ rank, sum }) {
    await sum({ x: rank === 0 ? tf.zeros([2, 3]) : tf.zeros([3, 2]) });
  },
  async 'different names'({ rank, broadcast }) {
    await broadcast({ [rank === 0 ? 'x' : 'y']: tf.zeros([2]) });
  },
  async 'different rows'({ rank, gather }) {
    await gather(rank === 0 ? tf.zeros([2, 3]) : tf.zeros([2, 2]));
  },
  // These end it, and so are the last.
  async 'asked, then closed'({ close, sum, rank }) {
    const answer = sum({ x: tf.tensor1d([rank, 1]) });
    await close();
    return taken((await answer).x);
  },
  async 'closed twice'({ close, sum }) {
    await close();
    await sum({ x: tf.scalar(1) });
  },
};

/** What no rank survives. @type {Record<string, (communicator: Communicator, saved: Int32Array) => Promise<unknown>>} */
const DISASTERS = {
  async 'the last fails'({ rank, size, sum, barrier }) {
    await barrier();
    if (rank === size - 1) throw new RangeError('the disk is full');
    await sum({ x: numbers(rank, 200_000) });
  },
  async 'the last never answers'({ rank, size, barrier }) {
    if (rank === size - 1) await new Promise((resolve) => setTimeout(resolve, 1 << 30));
    await barrier();
  },
  async 'the last leaves'({ rank, size, sum }) {
    if (rank < size - 1) await sum({ x: tf.scalar(1) });
  },
  async 'the last dies'({ rank, size, barrier }) {
    if (rank === size - 1) process.exit(3);
    await barrier();
  },
  async 'the last throws where nobody catches'({ rank, size, barrier }) {
    if (rank === size - 1) {
      setTimeout(() => {
        throw new Error('out of the blue');
      });
      await new Promise(() => {});
    }
    await barrier();
  },
  // What a rank catches, it can still act on: a checkpoint.
  async 'the last fails, the others save'({ rank, size, barrier }, saved) {
    if (rank === size - 1) throw 'no error but a string';
    await barrier().catch(({ message }) => {
      if (message === `rank ${size - 1} failed: no error but a string`) saved[rank] = 1;
    });
    await barrier();
  },
  // A timer would keep its thread alive.
  async 'the last fails once all is answered'({ rank, size, barrier }) {
    await barrier();
    if (rank === size - 1) throw new Error('too late');
  },
  async 'it has returned, but for a timer'({ barrier }) {
    setInterval(() => {}, 1 << 30);
    await barrier();
    return 'done';
  },
  // A lead that gives up does not wait for those that compute.
  async 'the first fails, the others compute'({ rank, barrier }) {
    await barrier();
    if (rank === 0) throw new Error('enough');
    for (;;);
  },
};

/**
 * What a rank is answered to each question, or the message of the error; after a disaster, nothing. It says it on a channel
 * too, if it is given one.
 * @param {Communicator} communicator
 * @param {{ disaster?: string, saved?: Int32Array, channel?: string }} [options]
 */
export default async function ask(communicator, { disaster, saved, channel } = {}) {
  await tf.setBackend('cpu');
  if (disaster !== undefined) return DISASTERS[disaster](communicator, saved);
  /** @type {Record<string, unknown>} */
  const answers = {};
  for (const [question, answer] of Object.entries(QUESTIONS)) {
    answers[question] = await answer(communicator).catch((error) => error.message);
  }
  const said = { rank: communicator.rank, size: communicator.size, answers };
  if (channel !== undefined) new BroadcastChannel(channel).postMessage(said);
  return said;
}
