import { type Network, oneOfThese } from '@diffusion-ts/recipes';
import { printable, Refusal } from '../errors.js';

/** The label of a class that is called by its name, or by its number where no name is such a number. */
export function labelOf(text: string, { classes }: Network, names: readonly string[]): number {
  const named = names.indexOf(text);
  if (named >= 0) return named;
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (number < (classes ?? 0)) return number;
  const numbers = `one of 0 … ${(classes ?? 0) - 1}`;
  const expected =
    classes === undefined
      ? 'no class, since this model knows none'
      : names.length === 0
        ? numbers
        : `${oneOfThese(text, names.map(printable))}, or ${numbers}`;
  throw new Refusal(`--class is ${text}: expected ${expected}.`, { exitCode: 2 });
}
