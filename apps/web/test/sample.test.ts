import { useWasm } from '@diffusion-ts/backend-wasm';
import { gaussianDiffusion } from '@diffusion-ts/forward-process';
import { type Communicator, single } from '@diffusion-ts/parallel';
import {
  fixedLarge,
  flowPrediction,
  type GaussianReverseProcess,
  reverseProcess,
  vPrediction,
} from '@diffusion-ts/reverse-process';
import { linear, rectified } from '@diffusion-ts/schedules';
import { rng } from '@diffusion-ts/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Drawn, draw, type SampleFrame, type SampleRequest } from '../src/sample/draw.js';
import { decodePixels, encodePixels } from '../src/sample/drawn-pixels.js';
import { OFFERED } from '../src/sample/jobs.js';
import { masked, penned } from '../src/sample/strokes.js';

const SHAPE = [2, 3, 1];
const SIZE = 6;
const COUNT = 2;
const schedule = linear({ steps: 120 });
/** A network that mixes the pixels of an image, so that none of them can be taken for another. */
const MIX = Float32Array.from({ length: SIZE ** 2 }, (_, i) => 0.4 * Math.sin(3 * i + 1));
const process: GaussianReverseProcess = reverseProcess({
  forward: gaussianDiffusion(schedule),
  denoiser: (xt) =>
    tf.reshape(tf.tanh(tf.matMul(tf.reshape(xt, [-1, SIZE]), tf.tensor2d(MIX, [SIZE, SIZE]))), xt.shape),
  predicts: vPrediction,
  variance: fixedLarge,
});
const IMAGE = Float32Array.of(-1, -0.5, 0, 0.25, 0.5, 1);
const MASK = Float32Array.of(1, 0, 1, 0, 0, 1);

beforeAll(() => useWasm());

async function drawn(
  request: Partial<SampleRequest>,
  by: GaussianReverseProcess = process,
  communicator: Communicator = single(),
): Promise<Drawn & { frames: SampleFrame[] }> {
  const frames: SampleFrame[] = [];
  const client = { signal: new AbortController().signal, report: (frame: SampleFrame) => frames.push(frame) };
  const all = { sampler: 'ddim', steps: 12, count: COUNT, seed: 5, ...request };
  return { ...(await draw(by, SHAPE, all, communicator, client)), frames };
}

function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, message: string): void {
  expect(actual.length, message).toBe(expected.length);
  for (let i = 0; i < actual.length; i++) {
    expect(Math.abs(actual[i]! - expected[i]!), `${message}, ${i}`).toBeLessThan(2e-5);
  }
}

/** The x_0 that the network sees in one image, worked out by hand: x_0 = α x_t − σ v. */
function seen(x: readonly number[], { alpha, sigma }: { alpha: number; sigma: number }): number[] {
  return x.map((value, k) => {
    const sum = x.reduce((total, other, j) => total + other * MIX[j * SIZE + k]!, 0);
    return alpha * value - sigma * Math.tanh(sum);
  });
}

describe('drawing', () => {
  it('leaves nothing in memory, and shows every step of every sampler', async () => {
    const before = tf.memory().numTensors;
    for (const sampler of OFFERED) {
      const { frames, images, evaluations } = await drawn({ sampler, known: { image: IMAGE, mask: MASK } });
      expect(frames.map(({ index, total }) => [index, total])).toEqual(
        Array.from({ length: 12 }, (_, index) => [index, 12]),
      );
      expect(evaluations, sampler).toBe(sampler === 'heun' ? 23 : 12);
      expect(images.length).toBe(COUNT * SIZE);
    }
    expect(tf.memory().numTensors).toBe(before);
  });

  it('spaces few steps as the command line does, from the very last time on', async () => {
    const times = async (request: Partial<SampleRequest>) => (await drawn(request)).frames.map(({ t }) => t);
    expect(await times({ steps: 4 })).toEqual([119, 89, 59, 29]);
    expect(await times({ steps: 4, sampler: 'ancestral' })).toEqual([119, 79, 40, 0]);
    expect(await times({ steps: 1000 })).toEqual(Array.from({ length: 120 }, (_, i) => 119 - i));
  });
});

describe('several ranks', () => {
  /** Ranks in one thread: each question is answered once all have come. */
  function ranks(size: number): Communicator[] {
    const never = (): never => {
      throw new Error('nothing but gather is asked for');
    };
    const questions: { readonly rows: tf.Tensor; answer(all: tf.Tensor): void }[][] = [];
    return Array.from({ length: size }, (_, rank) => {
      let asked = 0;
      const gather = (rows: tf.Tensor): Promise<tf.Tensor> =>
        new Promise((answer) => {
          questions[asked] ??= [];
          const come = questions[asked]!;
          asked += 1;
          come[rank] = { rows: tf.clone(rows), answer };
          if (Object.keys(come).length < size) return;
          const parts = come.map((one) => one.rows);
          for (const one of come) one.answer(tf.concat(parts));
          tf.dispose(parts);
        });
      return { rank, size, gather, sum: never, broadcast: never, barrier: never, close: never };
    });
  }

  it('draw and show what one draws, to the last bit, whatever they start from', async () => {
    const values = Float32Array.from({ length: 5 * SIZE }, (_, i) => Math.cos(i));
    for (const request of [
      ...OFFERED.map((sampler) => ({ sampler })),
      { start: { at: 'xt', t: 60, values } },
      { start: { at: 'x0', t: 20, values: [...IMAGE] }, known: { image: IMAGE, mask: MASK } },
    ] as const) {
      const one = await drawn({ count: 5, ...request });
      const before = tf.memory().numTensors;
      const three = await Promise.all(
        ranks(3).map((communicator) => drawn({ count: 5, ...request }, process, communicator)),
      );
      expect(tf.memory().numTensors).toBe(before);
      for (const drawing of three) expect(drawing, JSON.stringify(request)).toEqual(one);
    }
  });

  it('stop after the same step when the visitor of the first one stops', async () => {
    const stopper = new AbortController();
    const shown = [0, 0];
    const client = (rank: number) => ({
      signal: rank === 0 ? stopper.signal : new AbortController().signal,
      report: ({ index }: SampleFrame) => {
        shown[rank]! += 1;
        if (rank === 0 && index === 3) stopper.abort();
      },
    });
    const request = { sampler: 'heun', steps: 12, count: 2, seed: 5 };
    const before = tf.memory().numTensors;
    const both = await Promise.allSettled(
      ranks(2).map((communicator, rank) => draw(process, SHAPE, request, communicator, client(rank))),
    );
    for (const { reason } of both as PromiseRejectedResult[]) expect(reason.name).toBe('AbortError');
    expect(shown).toEqual([4, 4]);
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('a model of continuous time', () => {
  it('is drawn from, from the noise and from any time on, as the command line spaces it', async () => {
    const flow = { ...process, forward: gaussianDiffusion(rectified()), predicts: flowPrediction };
    const whole = await drawn({ steps: 4 }, flow);
    expectClose(
      whole.frames.map(({ t }) => t),
      [1, 0.75, 0.5, 0.25],
      't',
    );
    const { t, xt: values } = whole.frames[1]!;
    const rest = await drawn({ steps: 3, start: { at: 'xt', t, values } }, flow);
    expectClose(rest.images, whole.images, 'from 0.75');
  });
});

describe('going on from a step', () => {
  it('ends where the first walk ended, with a sampler that neither draws nor remembers', async () => {
    for (const sampler of ['ddim', 'heun']) {
      const whole = await drawn({ sampler });
      for (const from of [1, 5, 11]) {
        const { t, xt: values } = whole.frames[from]!;
        const rest = await drawn({ sampler, steps: 12 - from, start: { at: 'xt', t, values }, seed: 99 });
        expect(rest.frames.map((frame) => frame.t)).toEqual(whole.frames.slice(from).map((frame) => frame.t));
        expectClose(rest.images, whole.images, `${sampler} from ${from}`);
      }
    }
  });

  it('begins with the very x_t, and draws anew with a sampler that draws', async () => {
    const whole = await drawn({ sampler: 'ancestral' });
    const { t, xt: values } = whole.frames[6]!;
    const rest = await drawn({ sampler: 'ancestral', steps: 6, start: { at: 'xt', t, values }, seed: 99 });
    expect(rest.frames[0]).toMatchObject({ t, xt: values, total: 6 });
    expect(rest.images).not.toEqual(whole.images);
  });

  it('noises what is drawn up to the time asked for, and takes no more steps than there are below it', async () => {
    const { frames } = await drawn({ steps: 50, start: { at: 'x0', t: 20, values: IMAGE } });
    expect(frames.map(({ t }) => t)).toEqual(Array.from({ length: 21 }, (_, i) => 20 - i));
    const { alpha, sigma } = schedule.level(20);
    const noise = rng(5).fork('walk').fork('start').normal([COUNT, SIZE]).dataSync();
    const expected = Float32Array.from(noise, (z, i) => alpha * IMAGE[i % SIZE]! + sigma * z);
    expectClose(frames[0]!.xt, expected, 'x_t');
  });
});

describe('inpainting', () => {
  it('ends with the known pixels as they are, with every sampler', async () => {
    for (const sampler of OFFERED) {
      const { images } = await drawn({ sampler, known: { image: IMAGE, mask: MASK } });
      for (let i = 0; i < COUNT * SIZE; i++) {
        const difference = Math.abs(images[i]! - IMAGE[i % SIZE]!);
        if (MASK[i % SIZE] === 1) expect(difference, sampler).toBeLessThan(1e-6);
        else expect(difference, sampler).toBeGreaterThan(1e-3);
      }
    }
  });

  it('moves the others as DDIM does that sees the known ones on their way', async () => {
    const { frames, images } = await drawn({ known: { image: IMAGE, mask: MASK } });
    for (let example = 0; example < COUNT; example++) {
      const part = ({ xt }: SampleFrame) => [...xt.subarray(example * SIZE, (example + 1) * SIZE)];
      let x = part(frames[0]!);
      frames.forEach(({ t }, i) => {
        expectClose(part(frames[i]!), x, `x at ${t}`);
        const [from, to] = [schedule.level(t), schedule.level(frames[i + 1]?.t ?? -1)];
        const x0 = seen(x, from).map((value, k) => (MASK[k] === 1 ? IMAGE[k]! : value));
        x = x.map((value, k) => {
          const epsilon = (value - from.alpha * x0[k]!) / from.sigma;
          return to.alpha * x0[k]! + to.sigma * epsilon;
        });
      });
      expectClose(images.subarray(example * SIZE, (example + 1) * SIZE), x, 'the end');
    }
  });

  it('of nothing known is drawing from noise', async () => {
    for (const sampler of OFFERED) {
      const free = await drawn({ sampler });
      const known = await drawn({ sampler, known: { image: IMAGE, mask: new Float32Array(SIZE) } });
      expectClose(known.images, free.images, sampler);
    }
  });
});

describe('a drawing in the address', () => {
  it('comes back in four levels of grey, and not at all from a text of another length', () => {
    const drawing = Float32Array.of(-1, 1, 0.3, -0.9, 1, 1, -1);
    const text = encodePixels(drawing, -1, 1);
    expect(text).toHaveLength(3);
    const back = decodePixels(text, 7, -1, 1)!;
    expect([...back].map((value) => Math.round(100 * value) / 100)).toEqual([-1, 1, 0.33, -1, 1, 1, -1]);
    expect(encodePixels(back, -1, 1)).toBe(text);
    for (const wrong of ['', `${text}A`, 'A A', 'ÄÖÜ']) expect(decodePixels(wrong, 7, -1, 1)).toBeUndefined();
  });
});

describe('strokes', () => {
  it('are full at their middle and leave what is far away', () => {
    const image = penned(new Float32Array(784).fill(-1), 28, { x: 10.5, y: 5.5 });
    expect(image[5 * 28 + 10]).toBe(1);
    expect(image[20 * 28 + 20]).toBe(-1);
    const mask = masked(new Float32Array(784), 28, { x: 10.5, y: 5.5 }, 1);
    expect(mask.reduce((sum, value) => sum + value)).toBe(5);
  });
});
