// Building blocks of the schema. The message of each says what is allowed, so that an error can put key and value before it.

import * as z from 'zod/mini';
import { oneOfThese } from '../names.js';

export function whole(least: number, most: number = Number.MAX_SAFE_INTEGER): z.ZodMiniNumber<number> {
  const bounded = most < Number.MAX_SAFE_INTEGER;
  const error = bounded ? `a whole number in ${least} … ${most}` : `a whole number of at least ${least}`;
  return z.int({ error }).check(z.gte(least, { error }), z.lte(most, { error }));
}

export function number(least: number, most: number = Number.POSITIVE_INFINITY): z.ZodMiniNumber<number> {
  const error =
    most === Number.POSITIVE_INFINITY ? `a number of at least ${least}` : `a number in ${least} … ${most}`;
  return z.number({ error }).check(z.gte(least, { error }), z.lte(most, { error }));
}

/** A number of the open interval (least, most). */
export function between(least: number, most: number = Number.POSITIVE_INFINITY): z.ZodMiniNumber<number> {
  const error =
    most === Number.POSITIVE_INFINITY ? `a number above ${least}` : `a number between ${least} and ${most}`;
  return z.number({ error }).check(z.gt(least, { error }), z.lt(most, { error }));
}

export function text(meaning: string): z.ZodMiniString<string> {
  return z.string({ error: meaning }).check(z.minLength(1, { error: meaning }));
}

export function flag(): z.ZodMiniBoolean<boolean> {
  return z.boolean({ error: 'true or false' });
}

export function oneOf<const T extends readonly string[]>(values: T): z.ZodMiniEnum<{ [K in T[number]]: K }> {
  return z.enum(values, { error: ({ input }) => oneOfThese(input, values) });
}

/** An object with these keys and no others; whatever has a default may be left out. */
export function section<T extends z.core.$ZodShape>(shape: T): z.ZodMiniObject<T, z.core.$strict> {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? oneOfThese(issue.keys[0], known) : 'an object'),
  });
}
