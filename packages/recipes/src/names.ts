import leven from 'leven';

/** The name that was probably meant, and all that are allowed. */
export function oneOfThese(input: unknown, known: readonly string[]): string {
  return `${suggestion(input, known)}one of ${known.join(', ')}`;
}

function suggestion(input: unknown, known: readonly string[]): string {
  if (typeof input !== 'string' || input === '') return '';
  const distance = (name: string): number => leven(input.toLowerCase(), name.toLowerCase());
  const near = known.filter((name) => distance(name) <= Math.max(2, name.length / 3));
  const meant =
    known.find((name) => name.startsWith(input)) ?? near.toSorted((a, b) => distance(a) - distance(b))[0];
  return meant === undefined ? '' : `${meant}, perhaps, or `;
}
