import { philox } from '@diffusion-ts/tensor';

// Keeps these draws apart from those of an `rng` of the same seed.
const SHUFFLE = 0x73687566;

/** The order of 0 … size − 1 in one epoch, a function of (seed, epoch) alone: Fisher and Yates on Philox words. */
export function permutation(size: number, seed: number, epoch: number): Uint32Array {
  const order = new Uint32Array(size);
  const words = new Uint32Array(4);
  const high = (n: number): number => Math.floor(n / 2 ** 32);
  for (let i = 0; i < size; i++) {
    if (i % 4 === 0) philox(words, i / 4, epoch >>> 0, high(epoch), SHUFFLE, seed >>> 0, high(seed));
    const j = Math.floor((words[i % 4]! * (i + 1)) / 2 ** 32);
    // The inside-out form: i goes to a random place among the first i + 1, and what was there moves to the end.
    order[i] = order[j]!;
    order[j] = i;
  }
  return order;
}
