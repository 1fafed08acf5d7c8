// The keys of a configuration of diffusers: what each is when it is left out, and what it may be.

export interface Key<T> {
  readonly fallback: T;
  readonly allowed: string;
  accepts(value: unknown): boolean;
}

export const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 1;

export const count = (fallback: number): Key<number> => ({
  fallback,
  allowed: 'a whole number from 1 on',
  accepts: isCount,
});

export const countOrNull = (fallback: number | null): Key<number | null> => ({
  fallback,
  allowed: 'a whole number from 1 on, or null',
  accepts: (value) => value === null || isCount(value),
});

/** Left out where it is not given: a key that came later, and is in no config that was complete before. */
export const optionalCount: Key<number | undefined> = {
  fallback: undefined,
  allowed: 'a whole number from 1 on',
  accepts: isCount,
};

export const positive = (fallback: number): Key<number> => ({
  fallback,
  allowed: 'a positive number',
  accepts: (value) => Number.isFinite(value) && (value as number) > 0,
});

export const flag = (fallback: boolean): Key<boolean> => ({
  fallback,
  allowed: 'true or false',
  accepts: (value) => typeof value === 'boolean',
});

export const oneOf = <T extends string | number | null>(fallback: T, ...others: T[]): Key<T> => ({
  fallback,
  allowed: [fallback, ...others].map((value) => JSON.stringify(value)).join(' or '),
  accepts: (value) => [fallback, ...others].includes(value as T),
});

export const listOf = <T>(
  fallback: readonly T[],
  allowed: string,
  accepts: (value: unknown) => boolean,
): Key<readonly T[]> => ({
  fallback,
  allowed: `a list of ${allowed}`,
  accepts: (value) => Array.isArray(value) && value.length > 0 && value.every(accepts),
});

export type Keys<C> = { readonly [K in keyof C]-?: Key<C[K]> };

/**
 * A configuration with its defaults; keys that begin with an underscore are left out.
 * @throws TypeError if it is no object. RangeError naming the key, its value and what is allowed.
 */
export function completed<C extends object>(keys: Keys<C>, json: unknown): C {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new TypeError(`config must be an object, not ${JSON.stringify(json)}`);
  }
  const given = Object.entries(json).filter(([key, value]) => !key.startsWith('_') && value !== undefined);
  for (const [key, value] of given) {
    if (!Object.hasOwn(keys, key)) throw new RangeError(`config has the unknown key "${key}"`);
    const { allowed, accepts } = keys[key as keyof C];
    if (!accepts(value)) throw new RangeError(`${key} must be ${allowed}, not ${JSON.stringify(value)}`);
  }
  const defaults = Object.entries<Key<unknown>>(keys)
    .map(([key, { fallback }]) => [key, fallback] as const)
    .filter(([, fallback]) => fallback !== undefined);
  return Object.fromEntries([...defaults, ...given]) as C;
}
