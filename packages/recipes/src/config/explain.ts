import type * as z from 'zod/mini';

/** The first thing that is wrong with a config, as one sentence with the key, the value and what is allowed. */
export function explain({ issues }: z.core.$ZodError, config: unknown): string {
  const issue = issues[0]!;
  if (issue.code === 'unrecognized_keys') {
    const path = [...issue.path, issue.keys[0]!];
    return `${path.join('.')} is no setting: expected ${issue.message}.`;
  }
  const value = issue.path.reduce<unknown>(
    (at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key],
    config,
  );
  const path = issue.path.join('.') || 'The config';
  return value === undefined
    ? `${path} is missing: expected ${issue.message}.`
    : `${path} is ${abridged(value)}: expected ${issue.message}.`;
}

function abridged(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
