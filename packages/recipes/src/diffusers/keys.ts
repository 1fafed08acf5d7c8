import { ConfigError } from '../config-error.js';
import { oneOfThese } from '../names.js';

export type Json = Readonly<Record<string, unknown>>;
export type Keys = Readonly<Record<string, Key>>;

/** A setting of a scheduler: what it is where it is left out, and which values mean something here. */
export interface Key {
  readonly fallback: unknown;
  readonly expected: string;
  accepts(value: unknown): boolean;
}

const FILE = 'scheduler_config.json';

export const whole = (fallback: number, least: number): Key => ({
  fallback,
  expected: `a whole number of at least ${least}`,
  accepts: (value) => Number.isSafeInteger(value) && (value as number) >= least,
});

export const finite = (fallback: number): Key => ({
  fallback,
  expected: 'a number',
  accepts: (value) => Number.isFinite(value),
});

/** False may be null, as Python has it. */
export const flag = (fallback: boolean): Key => ({
  fallback,
  expected: 'true or false',
  accepts: (value) => typeof value === 'boolean' || (value === null && !fallback),
});

export const listOrNull: Key = {
  fallback: null,
  expected: 'a list of numbers or null',
  accepts: (value) => value === null || (Array.isArray(value) && value.every(Number.isFinite)),
};

/** One of a few values, the first where it is left out; with a single one, our only way. */
export const oneOf = (...values: readonly unknown[]): Key => ({
  fallback: values[0],
  expected: values.length === 1 ? said(values[0]) : `one of ${values.map(String).join(', ')}`,
  accepts: (value) => values.includes(value),
});

/** Of no effect: it belongs to a choice that is refused, or was never one. */
export const idle = (fallback: unknown): Key => ({ fallback, expected: '', accepts: () => true });

/**
 * Every setting that such keys have, what is left out by default. A key of `others` is none of them, and may be there only
 * where it asks for nothing: diffusers leaves the settings of one scheduler in the file of the next.
 * @throws ConfigError naming the first key that is unknown or cannot be honoured.
 */
export function settled(given: Json, name: string, keys: Keys, others: Keys): Json {
  const settings = Object.fromEntries(Object.entries(keys).map(([key, { fallback }]) => [key, fallback]));
  for (const [key, value] of Object.entries(given)) {
    if (key.startsWith('_')) continue;
    if (Object.hasOwn(keys, key)) {
      const { accepts, expected } = keys[key]!;
      if (!accepts(value)) refuse(key, value, expected);
      settings[key] = value;
    } else if (!Object.hasOwn(others, key)) {
      throw new ConfigError(`${FILE}: ${key} is no setting: expected ${oneOfThese(key, Object.keys(keys))}.`);
    } else if (!others[key]!.accepts(value)) {
      refuse(key, value, `${others[key]!.expected}, or that it is left out, since no ${name} has it`);
    }
  }
  return settings;
}

/** @throws ConfigError */
export function refuse(key: string, value: unknown, expected: string): never {
  throw new ConfigError(`${FILE}: ${key} is ${said(value)}: expected ${expected}.`);
}

/** As Python writes it, shortened. */
export function said(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
