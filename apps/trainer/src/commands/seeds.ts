import { InvalidArgumentError } from 'commander';
import { once } from './options.js';

// As many as a set of samples may have.
const MOST = 10_000_000;

/** The seeds of a list such as 0-63,100, in its order. */
export function seedList(text: string): number[] {
  const seeds = text.split(',').flatMap((part) => {
    const [, from, to = from] = /^(\d+)(?:-(\d+))?$/.exec(part.trim()) ?? [];
    const [first, last] = [Number(from), Number(to)];
    if (from === undefined || last < first || !Number.isSafeInteger(last) || last - first >= MOST)
      throw new InvalidArgumentError('Expected whole numbers and ranges of them, such as 0-63,100.');
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
  return once(seeds);
}
