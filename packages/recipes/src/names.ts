import leven from 'leven';

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
