// Building blocks of the schema. The message of each says what is allowed, so that an error can put key and value before it.

import leven from 'leven';
import { z } from 'zod';

export function whole(least: number, most: number = Number.MAX_SAFE_INTEGER): z.ZodInt {
  const bounded = most < Number.MAX_SAFE_INTEGER;
  const error = bounded ? `a whole number in ${least} … ${most}` : `a whole number of at least ${least}`;
  return z.int({ error }).min(least, { error }).max(most, { error });
}

export function number(least: number, most: number = Number.POSITIVE_INFINITY): z.ZodNumber {
  const error =
    most === Number.POSITIVE_INFINITY ? `a number of at least ${least}` : `a number in ${least} … ${most}`;
  return z.number({ error }).min(least, { error }).max(most, { error });
}

/** A number of the open interval (least, most). */
export function between(least: number, most: number = Number.POSITIVE_INFINITY): z.ZodNumber {
  const error =
    most === Number.POSITIVE_INFINITY ? `a number above ${least}` : `a number between ${least} and ${most}`;
  return z.number({ error }).gt(least, { error }).lt(most, { error });
}

export function text(meaning: string): z.ZodString {
  return z.string({ error: meaning }).min(1, { error: meaning });
}

export function flag(): z.ZodBoolean {
  return z.boolean({ error: 'true or false' });
}

export function oneOf<const T extends readonly [string, ...string[]]>(
  values: T,
): z.ZodEnum<{ [K in T[number]]: K }> {
  return z.enum(values, { error: ({ input }) => oneOfThese(input, values) });
}

/** An object with these keys and no others; whatever has a default may be left out. */
export function section<T extends z.ZodRawShape>(shape: T): z.ZodObject<T, z.core.$strict> {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? oneOfThese(issue.keys[0], known) : 'an object'),
  });
}

/** The name that was probably meant, and all that are allowed. */
export function oneOfThese(input: unknown, known: readonly string[]): string {
  return `${suggestion(input, known)}one of ${known.join(', ')}`;
}

function suggestion(input: unknown, known: readonly string[]): string {
  if (typeof input !== 'string' || input === '') return '';
  const distance = (name: string): number => leven(input.toLowerCase(), name.toLowerCase());
  const nearest = known.toSorted((a, b) => distance(a) - distance(b))[0]!;
  const meant =
    distance(nearest) <= Math.max(2, nearest.length / 3)
      ? nearest
      : known.find((name) => name.startsWith(input));
  return meant === undefined ? '' : `${meant}, perhaps, or `;
}
