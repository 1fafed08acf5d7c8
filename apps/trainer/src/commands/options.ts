import { InvalidArgumentError, Option } from 'commander';
import { BACKENDS } from '../backend.js';
import type { Workers } from '../workers.js';

export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const n = Number(text);
    if (text.trim() === '' || !Number.isSafeInteger(n) || n < least) {
      throw new InvalidArgumentError(`Expected a whole number of at least ${least}.`);
    }
    return n;
  };
}

export function numberAbove(least: number): (text: string) => number {
  return (text) => {
    const n = Number(text);
    if (text.trim() === '' || !Number.isFinite(n) || n <= least) {
      throw new InvalidArgumentError(`Expected a number above ${least}.`);
    }
    return n;
  };
}

export function numberFrom(least: number): (text: string) => number {
  return (text) => {
    const n = Number(text);
    if (text.trim() === '' || !Number.isFinite(n) || n < least) {
      throw new InvalidArgumentError(`Expected a number of at least ${least}.`);
    }
    return n;
  };
}

export function share(text: string): number {
  const n = Number(text);
  if (text.trim() === '' || !(n > 0 && n <= 1)) {
    throw new InvalidArgumentError('Expected a number above 0 and at most 1.');
  }
  return n;
}

/** A list of which nothing is there twice. */
export function once<T>(list: T[]): T[] {
  const twice = list.length === new Set(list).size ? [] : list.filter((x, i) => list.indexOf(x) !== i);
  if (twice.length > 0) throw new InvalidArgumentError(`${twice[0]} is there twice.`);
  return list;
}

/** For options that may be given again and again. */
export function collect(value: string, earlier: readonly string[]): string[] {
  return [...earlier, value];
}

export function backendOption(): Option {
  return new Option('--backend <name>', 'what computes; auto is tensorflow where it is installed, else wasm')
    .choices(BACKENDS)
    .default('auto');
}

export function workersOption(): Option {
  return new Option(
    '--workers <n>',
    'threads that share the work; auto is one for each core on wasm, up to 8, and 1 on other backends or for points',
  )
    .argParser(workers)
    .default('auto');
}

function workers(text: string): Workers {
  if (text === 'auto') return text;
  try {
    return wholeNumber(1)(text);
  } catch {
    throw new InvalidArgumentError('Expected auto or a whole number of at least 1.');
  }
}
