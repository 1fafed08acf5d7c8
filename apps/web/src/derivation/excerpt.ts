/** A function as it stands in a package. */
export interface Excerpt {
  readonly file: string;
  /** The number of its first line. */
  readonly line: number;
  readonly lines: readonly { readonly text: string; readonly marked: boolean }[];
}

/**
 * The lines of `source` from the one that contains `from` to the one that closes what it opens, with those marked that
 * contain one of `marks`.
 * @throws RangeError if `from` or a mark is not there: the code has changed, and the page must follow it.
 */
export function excerpt(file: string, source: string, from: string, marks: readonly string[]): Excerpt {
  const all = source.split('\n');
  const first = all.findIndex((line) => line.includes(from));
  if (first < 0) throw new RangeError(`${file} does not contain "${from}"`);
  let depth = 0;
  let last = first;
  for (; last < all.length; last++) {
    for (const character of all[last]!) {
      if ('{('.includes(character)) depth += 1;
      if ('})'.includes(character)) depth -= 1;
    }
    if (depth === 0 && /[{}();]\s*,?$/.test(all[last]!)) break;
  }
  const lines = all.slice(first, last + 1);
  const missing = marks.find((mark) => !lines.some((line) => line.includes(mark)));
  if (missing !== undefined) throw new RangeError(`"${from}" of ${file} does not contain "${missing}"`);
  const indent = /^ */.exec(lines[0]!)![0].length;
  return {
    file,
    line: first + 1,
    lines: lines.map((text) => ({
      text: text.slice(indent),
      marked: marks.some((mark) => text.includes(mark)),
    })),
  };
}
