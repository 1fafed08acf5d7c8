import '@diffusion-ts/testing/plain-threads';
import { expectAllClose } from '@diffusion-ts/testing';
import type { Communicator as Seam } from '@diffusion-ts/training';
import { expect, test } from 'vitest';
import { type Communicator, single } from '../src/index.js';
import { threads } from '../src/node.js';
import trainTogether from './train-together.js';

type Weights = Readonly<Record<string, readonly number[]>>;
interface Trained {
  readonly losses: readonly number[];
  readonly begun: Weights;
  readonly params: Weights;
  readonly ema: Weights;
}

/** What each rank has in the end. */
const together = trainTogether as (communicator: Communicator) => Promise<Trained[]>;

const module = new URL('./train-together.js', import.meta.url);

test('two ranks with 8 examples each end with the same bits in every run, and within 1e-5 with the weights of one with 16', async () => {
  const [alone] = (await together(single() satisfies Seam)) as [Trained];
  const [first, second] = await threads(2, module, undefined, together);
  expect(second).toEqual(first);
  expect(await threads(2, module, undefined, together)).toEqual([first, first]);

  const close = { absolute: 1e-5, relative: 0 };
  expectAllClose(first!.losses, alone.losses, close);
  expect(first!.begun).toEqual(alone.begun);
  for (const [name, begun] of Object.entries(alone.begun)) {
    expectAllClose(first!.params[name]!, alone.params[name]!, close);
    expectAllClose(first!.ema[name]!, alone.ema[name]!, close);
    // In ten steps of 1e-3 every tensor has gone a hundred times as far.
    expect(Math.max(...begun.map((value, i) => Math.abs(value - alone.params[name]![i]!)))).toBeGreaterThan(
      1e-3,
    );
  }
});
