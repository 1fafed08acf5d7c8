import { checkTensor, mapParams, type Params } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Communicator } from './communicator.js';
import { QUESTIONS, type Question, type Wire } from './wire.js';

/** The communicator whose tensors go over a wire, all those of a question in one flat buffer. */
export function communicatorOver(wire: Wire): Communicator {
  const { rank, size } = wire;
  let last: Promise<unknown> = Promise.resolve();
  let isClosed = false;

  // Reading tensors takes a while; without turns, the order of the questions would depend on how long.
  async function inTurn<T>(question: Question, answer: () => Promise<T>): Promise<T> {
    if (isClosed) throw new Error(`${question} is asked of rank ${rank}, whose communicator is closed`);
    const answered = last.then(answer);
    last = answered.catch(() => {});
    return answered;
  }

  const together =
    (question: 'sum' | 'broadcast') =>
    (tensors: Params): Promise<Params> =>
      inTurn(question, async () => {
        check(question, tensors);
        if (size === 1) return mapParams(tensors, (tensor) => tf.clone(tensor));
        const buffer = await flat(tensors);
        await agree(wire, question, layoutOf(tensors), buffer.length);
        const answer = await wire[question](buffer);
        let end = 0;
        return mapParams(tensors, ({ shape, size }) => {
          end += size;
          return tf.tensor(answer.subarray(end - size, end), shape);
        });
      });

  return {
    rank,
    size,
    sum: together('sum'),
    broadcast: together('broadcast'),
    gather: (rows) =>
      inTurn('gather', async () => {
        check('gather', { rows });
        const [own, ...shape] = rows.shape;
        if (own === undefined || shape.includes(0)) {
          throw new RangeError(
            `rows to gather must have a first axis and numbers in every row, not shape [${rows.shape}]`,
          );
        }
        if (size === 1) return tf.clone(rows);
        const buffer = await flat({ rows });
        const lengths = await agree(wire, 'gather', `[${shape}]`, buffer.length);
        const all = await wire.gather(buffer, lengths);
        return tf.tensor(all, [all.length / tf.util.sizeFromShape(shape), ...shape]);
      }),
    barrier: () =>
      inTurn('barrier', async () => {
        await agree(wire, 'barrier', '', 0);
      }),
    async close() {
      if (isClosed) return;
      isClosed = true;
      await last;
      await wire.close();
    },
  };
}

function check(question: Question, tensors: Params): void {
  for (const [name, tensor] of Object.entries(tensors)) {
    checkTensor(`"${name}" of a ${question}`, tensor);
    if (tensor.dtype !== 'float32') {
      throw new TypeError(`"${name}" of a ${question} must be float32, not ${tensor.dtype}`);
    }
  }
}

/** All numbers of a tree, one tensor after the other. */
async function flat(tensors: Params): Promise<Float32Array> {
  const all = Object.values(tensors);
  const buffer = new Float32Array(all.reduce((count, { size }) => count + size, 0));
  const read = await Promise.all(all.map((tensor) => tensor.data<'float32'>()));
  let start = 0;
  for (const values of read) {
    buffer.set(values, start);
    start += values.length;
  }
  return buffer;
}

const layoutOf = (tensors: Params): string =>
  Object.entries(tensors)
    .map(([name, { shape }]) => `${name} [${shape}]`)
    .join();

/** How many numbers each rank has, once all ask the same, of tensors laid out alike; each rank gets the same error if not. */
async function agree(wire: Wire, question: Question, layout: string, length: number): Promise<number[]> {
  const told = await wire.tell([QUESTIONS.indexOf(question), hash(layout), length]);
  const [asked, laidOut] = told[0]!;
  told.forEach(([otherAsked, otherLaidOut], other) => {
    if (otherAsked !== asked) {
      throw new RangeError(
        `rank 0 asks for ${QUESTIONS[asked]} and rank ${other} for ${QUESTIONS[otherAsked]}: all must ask the same, in the same order`,
      );
    }
    if (otherLaidOut !== laidOut) {
      throw new RangeError(
        `the tensors of a ${question} must have the same names and shapes on every rank, but those of rank ${other} are not those of rank 0`,
      );
    }
  });
  return told.map(([, , count]) => count);
}

/** FNV-1a of 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value;
}
